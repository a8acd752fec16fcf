//! Parts of other tests that run in a process of their own, so that it can be
//! killed or be another user. Ignored unless a parent names them.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use tandem::db::embedded::{EmbeddedServer, Purpose, Throwaway};

use super::{Folder, one, settings};

/// Starts this test binary again on one ignored test.
pub(super) fn spawn(test: &str, folder: &Folder, cache_dir: &Path, uid: Option<u32>) -> Child {
    // Copied, because another user may not reach the build folder.
    let program = folder.join(&format!("child-{test}"));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    command
        .args(["--ignored", "--exact", &format!("embedded::children::{test}")])
        .env("TANDEM_CACHE_DIR", cache_dir)
        .env("TANDEM_TEST_FOLDER", &folder.0)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    // Another test that forks at this moment holds the copy open for a while.
    for _ in 0..200 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            spawned => return spawned.unwrap(),
        }
    }
    panic!("the copy stays busy");
}

/// The server's pid, once the child has opened it.
pub(super) async fn reported_pid(folder: &Folder) -> i32 {
    let path = folder.join("pid");
    super::eventually("the child opened its server", || path.exists()).await;
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn given_folder() -> PathBuf {
    std::env::var_os("TANDEM_TEST_FOLDER").unwrap().into()
}

fn report(pid: i32) {
    let path = given_folder().join("pid");
    std::fs::write(path.with_extension("new"), pid.to_string()).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

#[tokio::test]
#[ignore = "child of other tests"]
async fn holds_a_server() {
    let server = EmbeddedServer::open(&settings(&given_folder().join("data")), Purpose::Serve).await.unwrap();
    report(server.pid());
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
}

#[tokio::test]
#[ignore = "child of other tests"]
async fn holds_a_throwaway() {
    let server = Throwaway::start(&settings(&given_folder())).await.unwrap();
    assert_eq!(one(&server.connect_options("postgres")).await, 1);
    std::fs::write(given_folder().join("dir"), server.dir().as_os_str().as_encoded_bytes()).unwrap();
    report(server.pid());
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
}

/// Somebody who knows everything but is another user: address, password and all.
#[tokio::test]
#[ignore = "child of other tests"]
async fn connects_with_a_stolen_password() {
    let stolen: Vec<String> =
        std::fs::read_to_string(given_folder().join("stolen")).unwrap().lines().map(str::to_owned).collect();
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&stolen[0])
        .port(5432)
        .username("tandem")
        .password(&stolen[1])
        .database("core");
    PgConnection::connect_with(&options).await.expect("a connection");
}

#[tokio::test]
#[ignore = "child of other tests"]
async fn opens_and_closes() {
    let server = EmbeddedServer::open(&settings(&given_folder().join("data")), Purpose::Serve).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}
