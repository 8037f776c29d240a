//! The contract of a synthesizer, on the real espeak-ng.

use duolip_pipeline::speech::Utterance;
use duolip_speech::{EspeakSettings, EspeakSynthesizer};
use duolip_testkit::contract;

#[test]
fn espeak_keeps_the_contract_of_the_synthesizer() {
    let espeak = EspeakSynthesizer::new(EspeakSettings::default()).unwrap();
    for (text, language, voice) in [
        ("Здравствуйте! Сегодня хорошая погода, и мы идём гулять.", "ru", None),
        ("Good morning! The weather is fine, and we are going for a walk.", "en", Some("f2")),
    ] {
        let utterance = Utterance {
            text: text.to_owned(),
            language: language.to_owned(),
            voice: voice.map(str::to_owned),
        };
        contract::speech_synthesizer(&espeak, &utterance);
    }
}
