//! `kill -9` of a migration, whenever it comes, and steps that fail.

use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{ConnectOptions, Connection, Executor};

use super::one;
use crate::process::{run, run_failing, tandem};
use crate::support::postgres::{self, Layout, Urls, execute, texts};

/// Everything the catalogs say about the schema, one fact a line.
const CATALOG: &str = r"
SELECT line FROM (
    SELECT 'column ' || c.relname || ' ' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || ' ' || a.attnotnull || ' ' || a.attgenerated::text || ' ' || a.attstorage::text || ' '
           || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
      FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
      LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
    UNION ALL
    SELECT 'relation ' || relkind::text || ' ' || relname || ' ' || relrowsecurity || ' ' || relforcerowsecurity
           || ' ' || coalesce(relacl::text, '')
      FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'constraint ' || conname || ' ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) || ' ' || convalidated
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index ' || indexrelid::regclass || ' ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid || ' ' || indisready
      FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'policy ' || polname || ' ' || polrelid::regclass || ' ' || coalesce(pg_get_expr(polqual, polrelid), '')
           || ' ' || coalesce(pg_get_expr(polwithcheck, polrelid), '')
      FROM pg_policy
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure || ' ' || md5(p.prosrc)
      FROM pg_proc AS p
     WHERE p.pronamespace = 'public'::regnamespace
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'trigger ' || tgname || ' ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'extension ' || extname || ' ' || extversion FROM pg_extension
) AS facts (line) ORDER BY line";

/// The schemas and both histories.
async fn snapshot(urls: &Urls) -> Vec<String> {
    let core = &urls.core;
    let ai = urls.ai.as_ref().unwrap_or(core);
    let mut lines = texts(core, CATALOG).await;
    lines.extend(texts(ai, CATALOG).await);
    lines.extend(texts(core, "SELECT version FROM core_migrations ORDER BY 1").await);
    lines.extend(texts(ai, "SELECT version FROM ai_migrations ORDER BY 1").await);
    lines.extend(texts(ai, "SELECT provider || model || status FROM ai_embedding_spaces").await);
    lines.extend(texts(core, "SELECT slug FROM tenants").await);
    lines
}

async fn locks(urls: &Urls) -> Vec<String> {
    let held = "SELECT objid::text FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                 WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let mut found = texts(&urls.core, held).await;
    if let Some(ai) = &urls.ai {
        found.extend(texts(ai, held).await);
    }
    found
}

#[tokio::test]
async fn a_migration_killed_at_any_moment_is_finished_by_the_next() {
    const KILLS: u32 = 24;
    const KILLS_A_DATABASE: u32 = 4;
    for (layout, commands) in [(Layout::Dual, ["migrate", "serve"]), (Layout::Single, ["serve", "migrate"])] {
        let clean = postgres::empty(layout).await;
        let started = Instant::now();
        run(&clean.env(), &["migrate"]);
        let (whole, expected) = (started.elapsed(), snapshot(&clean).await);
        assert!(expected.len() > 200);

        let mut number = 0;
        while number < KILLS / 2 {
            let urls = postgres::empty(layout).await;
            for _ in 0..KILLS_A_DATABASE {
                // Evenly over the time that a whole run takes.
                let pause = whole * number / (KILLS / 2);
                let mut child = tandem(&urls.env(), &[commands[(number % 2) as usize]])
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .unwrap();
                tokio::time::sleep(pause).await;
                child.kill().unwrap();
                child.wait().unwrap();
                number += 1;
            }
            run(&urls.env(), &["migrate"]);
            let found = snapshot(&urls).await;
            let difference: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
            assert!(found == expected, "{layout:?} after kill {number}: {difference:#?}");
            assert_eq!(locks(&urls).await, Vec::<String>::new());
            run(&urls.env(), &["doctor"]);
        }
    }
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

async fn until(url: &str, what: &str, condition: &str) {
    for _ in 0..400 {
        if texts(url, &format!("SELECT 'yes' WHERE {condition}")).await.len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not within 10 s: {what}");
}

/// Sessions that wait for a table's lock, or hold an advisory one.
const STUCK: &str =
    "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
const HELD: &str = "EXISTS (SELECT FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND d.datname = current_database()
       AND l.objid::bigint = hashtextextended('tandem:migrate:core', 0) & 4294967295 AND l.granted)";

#[tokio::test]
async fn the_lock_of_a_killed_migration_is_free_and_its_last_statement_is_waited_for() {
    let urls = postgres::empty(Layout::Single).await;
    // Something that the first step has to wait for.
    let mut blocker = connect(&urls.core).await;
    blocker.execute("BEGIN; CREATE TABLE tenants (blocks int)").await.unwrap();
    let mut first = tandem(&urls.env(), &["migrate", "core", "--adopt"]).spawn().unwrap();
    until(&urls.core, "the first step waits", STUCK).await;
    until(&urls.core, "the lock is held", HELD).await;
    first.kill().unwrap();
    first.wait().unwrap();
    until(&urls.core, "the lock is free", &format!("NOT {HELD}")).await;
    until(&urls.core, "the dead process's statement is still under way", STUCK).await;

    let mut second = tandem(&urls.env(), &["migrate", "core", "--adopt"]).spawn().unwrap();
    until(&urls.core, "the second has the lock", HELD).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(second.try_wait().unwrap().is_none(), "it waits for the dead one's transaction");
    blocker.execute("ROLLBACK").await.unwrap();
    blocker.close().await.unwrap();
    assert!(second.wait().unwrap().success());
    run(&urls.env(), &["migrate"]);
    assert_eq!(locks(&urls).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_of_itself() {
    let urls = postgres::empty(Layout::Single).await;
    // The first step makes tenants before it comes to users.
    execute(&urls.core, "CREATE TABLE users (of_somebody_else int)").await;
    let said = run_failing(&urls.env(), &["migrate", "core", "--adopt"]);
    assert!(said.contains("the core chain failed") && said.contains("\"users\" already exists"), "{said}");
    assert!(said.contains("taken back whole"), "{said}");
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    assert_eq!(texts(&urls.core, tables).await, ["core_migrations", "users"]);
    assert_eq!(texts(&urls.core, "SELECT version FROM core_migrations").await, Vec::<String>::new());

    execute(&urls.core, "DROP TABLE users").await;
    run(&one(&urls.core), &["migrate"]);
}
