//! First start, attaching, leaving, refusing.

use std::os::unix::fs::MetadataExt;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{self, Connection};
use tandem::db::embedded::{EmbeddedServer, Purpose, install};

use super::{Folder, is_gone, one, settings};

#[tokio::test]
async fn the_first_start_makes_both_databases_ready_for_vectors() {
    let folder = Folder::new();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    for database in ["core", "ai"] {
        let mut connection = PgConnection::connect_with(&server.connect_options(database)).await.unwrap();
        sqlx::query("CREATE EXTENSION vector").execute(&mut connection).await.unwrap();
        let (encoding, distance): (String, f64) =
            sqlx::query_as("SELECT current_setting('server_encoding'), '[1,2]'::vector <-> '[1,4]'::vector")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!((encoding.as_str(), distance), ("UTF8", 2.0));
        let durable: bool = sqlx::query_scalar(
            "SELECT current_setting('fsync')::bool AND current_setting('synchronous_commit')::bool AND current_setting('listen_addresses') = ''",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert!(durable);
        connection.close().await.unwrap();
    }
    server.close().await.unwrap();
}

#[tokio::test]
async fn commands_attach_and_the_last_one_out_stops_the_server() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let serve = EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap();
    let command = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    let pid = serve.pid();
    assert_eq!(command.pid(), pid);
    assert_eq!(one(&command.connect_options("core")).await, 1);

    serve.close().await.unwrap();
    assert!(!is_gone(pid), "a command still uses it");
    assert_eq!(one(&command.connect_options("ai")).await, 1);
    command.close().await.unwrap();
    assert!(is_gone(pid), "nobody uses it any more");

    let again = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_ne!(again.pid(), pid);
    assert_eq!(one(&again.connect_options("core")).await, 1);
    let pid = again.pid();
    drop(again);
    super::eventually("a dropped handle stops the server too", || is_gone(pid)).await;
}

#[tokio::test]
async fn many_commands_at_once_share_one_server() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let opened = futures::future::join_all((0..6).map(|_| async {
        let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
        assert_eq!(one(&server.connect_options("core")).await, 1);
        server
    }))
    .await;
    let pid = opened[0].pid();
    assert!(opened.iter().all(|server| server.pid() == pid));
    futures::future::join_all(opened.into_iter().map(EmbeddedServer::close)).await;
    assert!(is_gone(pid));
}

#[tokio::test]
async fn a_data_dir_of_150_characters_works() {
    let folder = Folder::new();
    let mut data_dir = folder.join("data");
    while data_dir.as_os_str().len() < 150 {
        data_dir = data_dir.join("a folder with spaces");
    }
    let server = EmbeddedServer::open(&settings(&data_dir), Purpose::Serve).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    assert!(server.socket_dir().as_os_str().len() < 60);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_second_serve_is_refused_and_told_the_pid() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let first = EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap();
    let refusal = EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap_err().to_string();
    assert!(refusal.contains(&format!("pid {}", std::process::id())), "{refusal}");
    assert!(refusal.contains("remedy:"), "{refusal}");
    first.close().await.unwrap();
    EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn socket_and_password_are_private() {
    let folder = Folder::new();
    let data_dir = folder.join("data");
    let server = EmbeddedServer::open(&settings(&data_dir), Purpose::Serve).await.unwrap();
    let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(server.socket_dir()), 0o700);
    assert_eq!(mode(server.cluster_dir().to_path_buf()), 0o700);
    for file in ["postgres.password", "postgres.log", "serve.lock"] {
        assert_eq!(mode(data_dir.join(file)), 0o600, "{file}");
    }
    let password = std::fs::read_to_string(data_dir.join("postgres.password")).unwrap();
    assert!(!format!("{server:?}").contains(password.trim()));
    let wrong = server.connect_options("core").password("guess");
    assert!(PgConnection::connect_with(&wrong).await.is_err());
    server.close().await.unwrap();
}

#[tokio::test]
async fn what_was_looked_for_is_named_when_nothing_is_found() {
    let folder = Folder::new();
    let mut settings = settings(&folder.join("data"));
    settings.cache_dir = folder.join("empty");
    let error = install::find(&settings, Some(99)).unwrap_err().to_string();
    assert!(error.contains("PostgreSQL 99") && error.contains("make setup"), "{error}");
    assert!(error.contains("empty/postgres/18/bin has no postgres"), "{error}");

    settings.postgres_dir = Some(folder.join("nothing"));
    let error = install::find(&settings, None).unwrap_err().to_string();
    assert!(error.contains("POSTGRES_DIR cannot be used"), "{error}");
}

#[tokio::test]
async fn an_older_cluster_gets_the_programs_of_its_version() {
    let folder = Folder::new();
    let data_dir = folder.join("data");
    let mut settings = settings(&data_dir);
    settings.postgres_dir = Some(settings.cache_dir.join("postgres/16"));
    EmbeddedServer::open(&settings, Purpose::Command).await.unwrap().close().await.unwrap();
    assert_eq!(std::fs::read_to_string(data_dir.join("postgres/PG_VERSION")).unwrap().trim(), "16");

    settings.postgres_dir = Some(settings.cache_dir.join("postgres/18"));
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}
