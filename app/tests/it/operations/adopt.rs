//! Databases that hold something of somebody else.

use tandem::config::Env;

use super::{both, one};
use crate::process::{run, run_failing};
use crate::support::postgres::{self, Layout, execute, name_of, texts};

async fn somebody_s() -> String {
    let url = postgres::empty(Layout::Single).await.core;
    let tables: String = (1..=7).map(|number| format!("CREATE TABLE shop_{number} (id int);")).collect();
    // A table with a name of ours is somebody's too.
    execute(&url, &format!("{tables} CREATE TABLE users (id int); CREATE VIEW shop_view AS SELECT 1 AS one"))
        .await;
    url
}

#[tokio::test]
async fn tables_of_somebody_else_are_refused_by_name_and_adopted_on_request() {
    for kind in ["core", "ai"] {
        let theirs = somebody_s().await;
        let free = postgres::empty(Layout::Single).await.core;
        let env = if kind == "core" { both(&theirs, &free) } else { both(&free, &theirs) };
        for command in ["serve", "migrate"] {
            let said = run_failing(&env, &[command]);
            for word in
                [&name_of(&theirs), "shop_1", "shop_5", "and 4 more", "--adopt", "ADOPT_DATABASE=true"]
            {
                assert!(said.contains(word), "{word}: {said}");
            }
            assert!(!said.contains("shop_6"), "{said}");
        }
        let histories = "SELECT relname::text FROM pg_class WHERE relname LIKE '%\\_migrations'";
        assert_eq!(texts(&theirs, histories).await, Vec::<String>::new(), "nothing was made");

        execute(&theirs, "DROP TABLE users").await;
        if kind == "core" {
            run(&env, &["migrate", "--adopt"]);
        } else {
            let mut env: Env = env.clone();
            env.insert("ADOPT_DATABASE".into(), "true".into());
            run(&env, &["migrate"]);
        }
        run(&env, &["migrate"]);
    }
}

#[tokio::test]
async fn an_extension_s_tables_and_the_other_chain_s_are_not_foreign() {
    let url = postgres::empty(Layout::Single).await.core;
    execute(&url, "CREATE TABLE of_an_extension (id int); ALTER EXTENSION plpgsql ADD TABLE of_an_extension")
        .await;
    for chain in ["ai", "core"] {
        run(&one(&url), &["migrate", chain]);
    }
    // What came later is somebody's again.
    let url = postgres::empty(Layout::Single).await.core;
    run(&one(&url), &["migrate", "core"]);
    execute(&url, "CREATE TABLE shop (id int)").await;
    let said = run_failing(&one(&url), &["migrate", "ai"]);
    assert!(said.contains("shop") && !said.contains("tenants"), "{said}");
}
