//! `duolip doctor`: what is installed, what is missing, and what to do about it.

use std::process::ExitCode;

use duolip_pipeline::ErrorKind;
use duolip_pipeline::error::chain;
use duolip_pipeline::lipsync::Look;
use duolip_service::config::Config;
use duolip_service::engine::Engine;
use duolip_service::errors::outside;
use duolip_service::health::Health;
use duolip_service::import::ImportError;
use duolip_service::models::LoadError;

use crate::say;
use crate::stop::on_signal;

/// Prints one line for each thing needed. Succeeds when every request can be rendered.
pub(crate) fn doctor(config: Config) -> ExitCode {
    duolip_service::logging::init(Some("off"));
    let line = |name: &str, found: Result<String, String>| {
        let ok = found.is_ok();
        let (mark, text) = found.map_or_else(|text| ("MISSING", text), |text| ("ok", text));
        say(format_args!("{name:<14} {mark:<8} {text}"));
        ok
    };
    let stopped = match on_signal() {
        Ok(stopped) => stopped,
        Err(error) => {
            line("signals", Err(error.to_string()));
            return ExitCode::from(outside(ErrorKind::Internal).exit);
        }
    };
    let engine = match Engine::build(config, &Look::PAIR, &stopped) {
        Ok(engine) => engine,
        Err(error) => {
            line("engine", Err(chain(&error)));
            return ExitCode::from(outside(ErrorKind::Internal).exit);
        }
    };
    if stopped.is_cancelled() {
        return ExitCode::from(outside(ErrorKind::Cancelled).exit);
    }
    line(
        "onnxruntime",
        duolip_onnx::OnnxRuntime::loaded()
            .map(|runtime| format!("{} {}", runtime.version(), runtime.path().display()))
            .ok_or_else(|| "run `make setup`, or set ORT_DYLIB_PATH".to_owned()),
    );
    for slot in engine.models().slots() {
        let found = slot.session.as_ref().map(|session| {
            let facts = session.facts();
            let fallback = facts.provider.reason().map(|reason| format!(" ({reason})"));
            format!(
                "{} on {}{}, {} px, {}",
                slot.name.as_deref().unwrap_or("unnamed"),
                facts.provider,
                fallback.unwrap_or_default(),
                facts.input_size,
                slot.path.display()
            )
        });
        let variable = format!("CHECKPOINT_PATH_{}", slot.look.name().to_uppercase());
        let advice = |error: &LoadError| {
            let advice = match error {
                LoadError::Import(ImportError::Unwritable { .. }) => {
                    "; set DUOLIP_CACHE_DIR".to_owned()
                }
                // They say themselves what to do.
                LoadError::Import(_) => String::new(),
                _ => format!("; set {variable}"),
            };
            format!("{}: {}{advice}", slot.path.display(), chain(error))
        };
        line(&format!("model {}", slot.look), found.map_err(advice));
    }
    let avatars = engine.avatars();
    for name in avatars.names() {
        let found = avatars.get(&name).map(|avatar| {
            let (base, face) = (&avatar.base, avatar.face_box);
            format!("{}x{} px, face {}x{} px", base.width, base.height, face.width(), face.height())
        });
        line(&format!("avatar {name}"), found.map_err(|error| chain(&error)));
    }
    let default_avatar = &engine.config().avatars.default_avatar;
    if !avatars.names().contains(default_avatar) {
        let folder = engine.config().avatars_dir();
        let advice = format!("no such avatar in {}; set DUOLIP_AVATARS_DIR", folder.display());
        line(&format!("avatar {default_avatar}"), Err(advice));
    }
    line("espeak-ng", engine.synthesizer().clone());
    let advised = |found: &Result<String, String>, advice: &str| {
        found.clone().map_err(|reason| format!("{reason}; {advice}"))
    };
    line("ffmpeg", advised(engine.ffmpeg(), "install ffmpeg or set DUOLIP_FFMPEG"));
    line(
        "x264",
        advised(engine.x264(), "put duolip-x264 beside this program or on the search path"),
    );
    let store = engine.store().map(|store| store.description());
    line("store", Ok(store.unwrap_or_else(|| "none: no video is delivered as a URL".to_owned())));
    line(
        "job folders",
        tempfile::tempdir_in(engine.config().work_dir()).map_or_else(
            |error| {
                Err(format!(
                    "{}: {error}; set DUOLIP_WORK_DIR",
                    engine.config().work_dir().display()
                ))
            },
            |_| Ok(engine.config().work_dir().display().to_string()),
        ),
    );
    let health = Health::of(&engine);
    say(format_args!("{:<14} {}", "status", health.status));
    if health.status == duolip_service::health::Status::Ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(outside(ErrorKind::PairRequired).exit)
    }
}
