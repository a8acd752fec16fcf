//! Settings: where they come from, and what a wrong one says.

use std::io::Write;

use tandem::config::{DEFAULTS, Env, Registration, Settings};

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[track_caller]
fn refused(pairs: &[(&str, &str)]) -> String {
    Settings::load(&env(pairs)).expect_err("a wrong setting").to_string()
}

#[test]
fn defaults_are_complete_and_the_environment_wins() {
    let settings = Settings::load(&Env::new()).unwrap();
    assert!(settings.is_embedded() && settings.is_loopback());
    assert_eq!(
        (settings.http.port, settings.database.core_pool_max, settings.database.ai_pool_max),
        (8080, 30, 15)
    );
    let settings = Settings::load(&env(&[
        ("PORT", "9000"),
        ("CORS_ORIGINS", "https://one.example, https://two.example"),
        ("TANDEM__CHAT__RETRIEVED_PASSAGES", "3"),
        ("EMBEDDING_MODEL", "text-embedding-3-small"),
        ("CHAT_MODEL", "some/model"),
        ("LOG_LEVEL", "debug"),
    ]))
    .unwrap();
    assert_eq!(settings.http.port, 9000);
    assert_eq!(settings.http.cors_origins, ["https://one.example", "https://two.example"]);
    assert_eq!(settings.chat.retrieved_passages, 3);
    assert_eq!(settings.models.embedding_model.as_deref(), Some("text-embedding-3-small"));
    assert_eq!(settings.models.chat_model, "some/model");
    assert_eq!(settings.telemetry.log_level, "debug");
}

#[test]
fn a_wrong_value_is_named_with_what_is_allowed() {
    assert!(refused(&[("PORT", "eighty")]).contains("PORT"));
    assert!(refused(&[("TANDEM__KNOWLEDGE__HNSW_M", "1")]).contains("2 to 100"));
    assert!(refused(&[("TANDEM__HTTP__PROT", "1")]).contains("prot"));
    assert!(refused(&[("EMBEDDING_PROVIDER", "cloud")]).contains("EMBEDDING_PROVIDER"));
    assert!(refused(&[("AI_DATABASE_URL", "postgres://x/y")]).contains("DATABASE_URL"));
}

#[test]
fn secrets_come_from_files_too_and_are_never_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "a-secret-of-more-than-32-characters-x").unwrap();
    let path = file.path().display().to_string();
    let settings = Settings::load(&env(&[("JWT_SECRET_FILE", &path)])).unwrap();
    assert!(settings.auth.jwt_secret.is_some());
    assert!(!format!("{settings:?}").contains("a-secret-of-more"));
    let both =
        refused(&[("JWT_SECRET_FILE", &path), ("JWT_SECRET", "another-secret-that-is-long-enough-xx")]);
    assert!(both.contains("JWT_SECRET_FILE") && !both.contains("another-secret"), "{both}");
    let short = refused(&[("JWT_SECRET", "hunter2")]);
    assert!(short.contains("32") && !short.contains("hunter2"), "{short}");
}

#[test]
fn production_refuses_what_only_a_trial_may_do() {
    let core = ("DATABASE_URL", "postgres://u@h/core");
    let ai = ("AI_DATABASE_URL", "postgres://u@h/ai");
    let secret = ("JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let production = ("APP_ENV", "production");
    assert!(refused(&[production, secret]).contains("ALLOW_EMBEDDED"));
    assert!(refused(&[production, secret, core]).contains("ALLOW_SINGLE_DATABASE"));
    assert!(refused(&[production, core, ai]).contains("JWT_SECRET"));
    let settings = Settings::load(&env(&[production, secret, core, ai])).unwrap();
    assert_eq!(settings.registration(), Registration::Closed);
    Settings::load(&env(&[production, secret, core, ("ALLOW_SINGLE_DATABASE", "true")])).unwrap();
}

#[test]
fn trusted_proxies_and_origins_are_exact() {
    let settings = Settings::load(&env(&[("TRUSTED_PROXIES", "10.0.0.0/8, ::1")])).unwrap();
    assert_eq!(settings.http.trusted_proxies.len(), 2);
    assert!(settings.http.trusted_proxies[0].contains("10.2.3.4".parse().unwrap()));
    assert!(Settings::load(&Env::new()).unwrap().http.trusted_proxies.is_empty());
    for wrong in ["10.0.0.0/33", "proxy.internal", "0.0.0.0/0"] {
        let said = refused(&[("TRUSTED_PROXIES", wrong)]);
        assert!(said.contains("TRUSTED_PROXIES") && said.contains(wrong), "{said}");
    }
    for wrong in ["*", "https://app.example/", "app.example", "https://app.example/path"] {
        let said = refused(&[("CORS_ORIGINS", wrong)]);
        assert!(said.contains("CORS_ORIGINS") && said.contains(wrong), "{said}");
    }
    Settings::load(&env(&[("CORS_ORIGINS", "http://localhost:5173,capacitor://localhost")])).unwrap();
    assert!(refused(&[("TANDEM__AUTH__LOGIN_FAILURES", "0")]).contains("auth.login_failures"));
}

#[test]
fn registration_is_open_only_at_home() {
    assert_eq!(Settings::load(&Env::new()).unwrap().registration(), Registration::Open);
    let public = Settings::load(&env(&[("HOST", "0.0.0.0")])).unwrap();
    assert_eq!(public.registration(), Registration::Closed);
    let invite = Settings::load(&env(&[("REGISTRATION", "invite")])).unwrap();
    assert_eq!(invite.registration(), Registration::Invite);
    assert!(refused(&[("REGISTRATION", "friends")]).contains("REGISTRATION"));
}

#[test]
fn every_default_is_documented() {
    for line in DEFAULTS.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains('#'), "no comment: {line}");
    }
}
