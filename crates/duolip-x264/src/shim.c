// What must know the layout of x264's structures, which differs from version to version. Everything
// else is in Rust; encoder.rs says what each of these promises.

#include <stdint.h>
#include <stdlib.h>
#include <x264.h>

struct encoder {
    x264_t *x264;
    x264_picture_t picture;
};

const char *shim_version(void)
{
    return X264_POINTVER;
}

x264_param_t *shim_settings(const char *preset, int width, int height)
{
    x264_param_t *settings = malloc(sizeof *settings);
    if (!settings || x264_param_default_preset(settings, preset, NULL) < 0) {
        free(settings);
        return NULL;
    }
    settings->i_csp = X264_CSP_I420;
    settings->i_width = width;
    settings->i_height = height;
    settings->i_log_level = X264_LOG_ERROR;
    // All frames last equally long: none need wait for the time of the next.
    settings->b_vfr_input = 0;
    settings->analyse.b_mb_info = 1;
    return settings;
}

uint8_t shim_constant(void)
{
    return X264_MBINFO_CONSTANT;
}

int shim_set(x264_param_t *settings, const char *name, const char *value)
{
    return x264_param_parse(settings, name, value);
}

struct encoder *shim_open(x264_param_t *settings, uint8_t *macroblocks)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder
        && x264_picture_alloc(&encoder->picture, settings->i_csp, settings->i_width, settings->i_height) == 0) {
        encoder->picture.prop.mb_info = macroblocks;
        encoder->x264 = x264_encoder_open(settings);
        if (!encoder->x264)
            x264_picture_clean(&encoder->picture);
    }
    free(settings);
    if (encoder && !encoder->x264) {
        free(encoder);
        return NULL;
    }
    return encoder;
}

uint8_t *shim_plane(struct encoder *encoder, int plane, int *stride)
{
    *stride = encoder->picture.img.i_stride[plane];
    return encoder->picture.img.plane[plane];
}

int shim_encode(struct encoder *encoder, int flush, const uint8_t **coded)
{
    x264_nal_t *units;
    int count;
    x264_picture_t made;
    int size = x264_encoder_encode(encoder->x264, &units, &count, flush ? NULL : &encoder->picture, &made);
    encoder->picture.i_pts += !flush;
    // The units lie one behind the other.
    *coded = size > 0 ? units[0].p_payload : NULL;
    return size;
}

int shim_delayed(struct encoder *encoder)
{
    return x264_encoder_delayed_frames(encoder->x264);
}

void shim_close(struct encoder *encoder)
{
    x264_encoder_close(encoder->x264);
    x264_picture_clean(&encoder->picture);
    free(encoder);
}
