/* Writes down when RHVoice's phonemes sound.
 *
 * RHVoice tells its caller where words begin, not phonemes. Loaded before it
 * (LD_PRELOAD), this stands in front of one function of its HTS engine: when the
 * states of a sentence have been chosen, each label and its length go to the file
 * that RHVOICE_TIMES names, a line each: `<samples> <sample rate> <label>`.
 * Knows nothing of mouths; rhvoice.py reads the lines.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef char (*Generate)(void *engine, char **lines, size_t count, double *stretch);
typedef size_t (*Count)(void *engine);
typedef size_t (*Duration)(void *engine, size_t state);

char HTS_Engine_generate_state_sequence_from_strings(void *engine, char **lines, size_t count,
                                                     double *stretch)
{
  Generate generate =
      (Generate)dlsym(RTLD_NEXT, "HTS_Engine_generate_state_sequence_from_strings");
  Count states = (Count)dlsym(RTLD_NEXT, "HTS_Engine_get_nstate");
  Count period = (Count)dlsym(RTLD_NEXT, "HTS_Engine_get_fperiod");
  Count rate = (Count)dlsym(RTLD_NEXT, "HTS_Engine_get_sampling_frequency");
  Duration duration = (Duration)dlsym(RTLD_NEXT, "HTS_Engine_get_state_duration");
  const char *path = getenv("RHVOICE_TIMES");
  char done = generate(engine, lines, count, stretch);
  FILE *file;
  if (!done || !path || !states || !period || !rate || !duration)
    return done;
  file = fopen(path, "a");
  if (!file)
    return done;
  for (size_t label = 0; label < count; ++label) {
    size_t frames = 0;
    for (size_t state = 0; state < states(engine); ++state)
      frames += duration(engine, label * states(engine) + state);
    fprintf(file, "%zu %zu %s\n", frames * period(engine), rate(engine), lines[label]);
  }
  fclose(file);
  return done;
}
