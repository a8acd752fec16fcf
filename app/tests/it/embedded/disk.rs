//! Folders that cannot be written, and disks that are full.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tandem::db::embedded::{EmbeddedServer, Purpose};

use super::{Folder, is_root, one, settings};

/// A small file system in memory, unmounted at the end.
struct Disk(Folder);

impl Disk {
    /// `None` where nothing can be mounted; says why.
    fn mount(options: &str) -> Option<Self> {
        let folder = Folder::new();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&folder.0).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                eprintln!(
                    "skipped, nothing can be mounted here: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
                None
            }
            Err(error) => {
                eprintln!("skipped, there is no mount: {error}");
                None
            }
        }
    }

    fn grow(&self, size: &str) {
        let option = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &option]).arg(&self.0.0).status().unwrap().success());
    }

    /// Takes all that is left.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let block = vec![1_u8; 1 << 16];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        let _ = std::io::Write::write_all(&mut file, &[1; 4096]);
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0.0).status();
    }
}

#[tokio::test]
async fn a_disk_too_small_for_a_cluster_is_said_and_leaves_no_half_one() {
    let Some(disk) = Disk::mount("size=20m,mode=777") else { return };
    let settings = settings(&disk.0.join("data"));
    let said = EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap_err().to_string();
    assert!(said.contains("No space left on device") && said.contains("free disk space"), "{said}");
    assert!(!disk.0.join("data/postgres").exists(), "no half cluster");
    disk.grow("400m");
    let server = EmbeddedServer::open(&settings, Purpose::Serve).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_fills_up_under_a_server_fails_its_writes_and_nothing_else() {
    use crate::process::{Serving, embedded_env, run_failing};
    let Some(disk) = Disk::mount("size=400m,mode=777") else { return };
    let mut env = embedded_env(&disk.0.join("data"));
    env.insert("WORKERS".into(), "0".into());
    let server = Serving::start(&env);
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build().unwrap();
    let register = async |number: usize| {
        let body = serde_json::json!({ "email": format!("u{number}@example.com"), "password": "a long password",
            "full_name": "x".repeat(100) });
        let response =
            client.post(format!("{}/api/v1/auth/register", server.base)).json(&body).send().await.unwrap();
        let is_problem = response.headers()["content-type"] == "application/problem+json";
        (response.status().as_u16(), is_problem)
    };
    assert_eq!(register(0).await.0, 201);
    let login = serde_json::json!({ "email": "u0@example.com", "password": "a long password" });
    let login = client.post(format!("{}/api/v1/auth/login", server.base)).json(&login).send().await.unwrap();
    let token = login.json::<serde_json::Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    // Texts that cannot be compressed, so that each takes room.
    let source = |number: usize| {
        let text: String = (0..8000).map(|_| uuid::Uuid::now_v7().simple().to_string() + " ").collect();
        let body = serde_json::json!({ "title": "Large", "text": text, "external_id": number.to_string() });
        client
            .post(format!("{}/api/v1/knowledge/sources", server.base))
            .bearer_auth(&token)
            .json(&body)
            .send()
    };
    assert_eq!(source(0).await.unwrap().status(), 202);

    let filler = disk.fill();
    // There is room left in files that exist: go on until a write needs more.
    let mut refused = None;
    for number in 1..200 {
        let response = source(number).await.unwrap();
        if response.status() != 202 {
            refused = Some((response.status().as_u16(), response.json::<serde_json::Value>().await.unwrap()));
            break;
        }
    }
    let (status, body) = refused.expect("a full disk refuses a write");
    assert_eq!(status, 503, "{body}");
    assert!(!body["code"].as_str().unwrap().is_empty() && body["request_id"].is_string(), "{body}");
    let live = client.get(format!("{}/health/live", server.base)).send().await.unwrap();
    assert_eq!(live.status(), 200);

    std::fs::remove_file(filler).unwrap();
    let started = std::time::Instant::now();
    let mut number = 1000;
    while source(number).await.unwrap().status() != 202 {
        number += 1;
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "never writes again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(register(1).await.0, 201);
    let said = run_failing(&env, &["serve"]);
    assert!(said.contains("another tandem serve"), "the same process still serves: {said}");
    server.stop();
}

#[tokio::test]
async fn a_data_dir_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    std::fs::write(folder.join("file"), "").unwrap();
    let refusal = async |data_dir: &Path| {
        EmbeddedServer::open(&settings(data_dir), Purpose::Serve).await.unwrap_err().to_string()
    };
    let said = refusal(&folder.join("file/data")).await;
    assert!(said.contains("DATA_DIR") && said.contains("file/data") && said.contains("remedy"), "{said}");

    if is_root() {
        // Root may write anywhere but where nobody may.
        let Some(disk) = Disk::mount("size=1m,mode=777,ro") else { return };
        let said = refusal(&disk.0.0).await;
        assert!(said.contains("DATA_DIR") && said.contains("Read-only file system"), "{said}");
        let said = refusal(&disk.0.join("data")).await;
        assert!(said.contains("DATA_DIR") && said.contains("Read-only file system"), "{said}");
    } else {
        let closed = folder.join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
        let said = refusal(&closed).await;
        assert!(said.contains("DATA_DIR") && said.contains("Permission denied"), "{said}");
    }
}

#[tokio::test]
async fn a_cluster_of_a_postgres_that_is_not_there_is_refused_and_left_alone() {
    let folder = Folder::new();
    let cluster = folder.join("data/postgres");
    std::fs::create_dir_all(&cluster).unwrap();
    std::fs::write(cluster.join("PG_VERSION"), "14\n").unwrap();
    std::fs::write(folder.join("data/postgres.password"), "secret\n").unwrap();
    if is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        std::os::unix::fs::chown(&cluster, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    }
    let said =
        EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap_err().to_string();
    assert!(said.contains("needs PostgreSQL 14") && said.contains("POSTGRES_DIR"), "{said}");
    let left: Vec<_> = std::fs::read_dir(&cluster).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["PG_VERSION"]);
}
