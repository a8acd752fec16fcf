//! The whole application in this process, on real databases of its own.

use std::sync::Arc;

use axum::Router;
use entity::core::user::Role;
use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use tandem::auth::{self, NewUser};
use tandem::config::{Env, Settings};
use tandem::db::{CoreDb, Databases, Purpose};
use tandem::jobs::{Listener, Worker};
use tandem::llm::{LanguageModels, SpaceSpec};
use tandem::state::AppState;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::postgres::{self, Layout, Urls};
use super::user::TestUser;

/// A running application.
pub(crate) struct TestApp {
    pub(crate) state: AppState,
    pub(crate) urls: Urls,
    router: Router,
    ai: DatabaseConnection,
    _databases: Databases,
}

/// How the application under test differs from the usual one.
pub(crate) struct Options {
    pub(crate) layout: Layout,
    pub(crate) env: Env,
    change: Box<dyn FnOnce(&mut LanguageModels) + Send>,
    urls: Option<Urls>,
}

impl Default for Options {
    fn default() -> Self {
        Self { layout: Layout::Dual, env: Env::new(), change: Box::new(|_| {}), urls: None }
    }
}

impl Options {
    /// Sets an environment variable of the application under test.
    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// Both schemas in one database.
    pub(crate) fn single(mut self) -> Self {
        self.layout = Layout::Single;
        self
    }

    /// On these databases, which are migrated already.
    pub(crate) fn over(mut self, urls: Urls) -> Self {
        self.urls = Some(urls);
        self
    }

    /// Replaces models.
    pub(crate) fn models(mut self, change: impl FnOnce(&mut LanguageModels) + Send + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// Starts the application.
    pub(crate) async fn start(self) -> TestApp {
        let is_fresh = self.urls.is_none();
        let urls = match self.urls {
            Some(urls) => urls,
            None => postgres::migrated(self.layout).await,
        };
        let mut env = postgres::base_env();
        env.extend(urls.env());
        env.extend(self.env);
        let settings = Arc::new(Settings::load(&env).expect("settings"));
        let databases = Databases::open(&settings, Purpose::Command).await.expect("databases");
        let mut models =
            LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir).expect("models");
        (self.change)(&mut models);
        if is_fresh {
            adopt_space(&urls, models.embedder.space()).await;
        }
        let (events, turns) = (tandem::server::events(), tandem::chat::turn_statements());
        let state = AppState::new(settings, &databases, models, events, turns).await.expect("state");
        let router = tandem::router::build(state.clone());
        let ai = postgres::operator(urls.ai.as_ref().unwrap_or(&urls.core));
        TestApp { state, urls, router, ai, _databases: databases }
    }
}

/// The template's empty space, which is that of the pocket model, becomes that of another model of the same length.
async fn adopt_space(urls: &Urls, space: &SpaceSpec) {
    if space.model == "pocket" && space.provider == "local" {
        return;
    }
    let (provider, model, dimensions) = (&space.provider, &space.model, space.dimensions);
    let sql = format!(
        "UPDATE ai_embedding_spaces SET provider = '{provider}', model = '{model}' WHERE dimensions = {dimensions}"
    );
    postgres::execute(urls.ai.as_ref().unwrap_or(&urls.core), &sql).await;
}

impl TestApp {
    /// The usual application: two databases, pocket embedder, extractive answers.
    pub(crate) async fn start() -> Self {
        Options::default().start().await
    }

    /// An application that differs.
    pub(crate) fn with() -> Options {
        Options::default()
    }

    /// Another replica over the same databases.
    pub(crate) async fn replica(&self) -> Self {
        Options::default().over(self.urls.clone()).start().await
    }

    /// A user of another replica, at this one.
    pub(crate) fn at(&self, user: &TestUser) -> TestUser {
        user.on_replica(self.router.clone())
    }

    /// Hears from now on what replicas tell each other of turns, as a serving process does.
    pub(crate) fn hear(&self) {
        let mut listener = Listener::new(self.core().clone());
        tandem::chat::listen(&self.state, &mut listener);
        listener.start(&self.state.tasks, &self.state.shutdown);
    }

    /// Core.
    pub(crate) fn core(&self) -> &CoreDb {
        &self.state.core
    }

    /// Ai, as the operator sees it: everybody's rows.
    pub(crate) fn ai(&self) -> &DatabaseConnection {
        &self.ai
    }

    /// Somebody without credentials.
    pub(crate) fn anonymous(&self) -> TestUser {
        TestUser::new(self.router.clone(), None, Uuid::nil(), String::new())
    }

    /// A new ordinary user.
    pub(crate) async fn user(&self) -> TestUser {
        self.someone(Role::User).await
    }

    /// A new administrator.
    pub(crate) async fn admin(&self) -> TestUser {
        self.someone(Role::Admin).await
    }

    async fn someone(&self, role: Role) -> TestUser {
        let email = format!("{}@example.com", Uuid::now_v7().simple());
        let new = NewUser {
            email: email.clone(),
            password: SecretString::from("a password for tests"),
            full_name: None,
            role,
        };
        let id = auth::create_user(self.core(), new).await.expect("a user");
        let user = auth::find_user_by_email(self.core(), &email).await.unwrap().expect("the user");
        let token = auth::access_token(&self.state, &user).expect("a token");
        TestUser::new(self.router.clone(), Some(token), id.0, email)
    }

    /// Runs due jobs until none is left.
    pub(crate) async fn run_jobs(&self) {
        let worker = Worker::new(
            self.core().clone(),
            tandem::server::jobs(&self.state),
            self.state.settings.jobs.clone(),
        );
        while worker.run_one(&CancellationToken::new()).await.expect("the queue") {}
    }

    /// Delivers what waits in the outbox until nothing is due.
    pub(crate) async fn run_outbox(&self) {
        while self.state.outbox.deliver_due().await.expect("the outbox").delivered > 0 {}
    }

    /// Ai goes away: no connection is left and none is let in.
    pub(crate) async fn stop_ai(&self) {
        postgres::shut(self.urls.ai.as_ref().expect("an ai database of its own")).await;
    }

    /// Ai comes back.
    pub(crate) async fn start_ai(&self) {
        postgres::open(self.urls.ai.as_ref().expect("an ai database of its own")).await;
        // Connections that were cut wait in the pool until somebody finds out.
        while !self.ai_answers().await {}
    }

    async fn ai_answers(&self) -> bool {
        let all = (0..self.state.ai.pool_state().max).map(|_| self.state.ai.begin_worker());
        futures::future::join_all(all).await.iter().all(Result::is_ok)
    }

    /// Serves on a real socket of this machine until the test ends.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = self.router.clone().into_make_service_with_connect_info::<std::net::SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        format!("http://{address}")
    }
}
