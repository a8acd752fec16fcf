//! Models: what a provider can do to us, and the models in this process.

mod chat;
mod embeddings;
mod local;
mod tools;

use secrecy::SecretString;
use tandem::config::{Env, Models, Settings};

use crate::support::model::ModelServer;

/// Default settings with a provider and short time-outs.
fn settings(server: &ModelServer) -> Models {
    let mut models = Settings::load(&Env::new()).unwrap().models;
    models.openai_base_url = Some(server.url());
    models.openai_api_key = Some(SecretString::from("sk-secret-of-the-tests"));
    models
}
