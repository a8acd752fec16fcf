//! Opens both databases and hands them to the checks.

use std::time::Instant;

use sea_orm::sqlx::PgPool;
use sea_orm::sqlx::postgres::PgConnection;

use super::{Report, engines, schema, server, space as spaces};
use crate::config::Settings;
use crate::db::adopt::Chain;
use crate::db::connect::{Databases, Mode};
use crate::db::facts::{self, Facts};
use crate::db::{capacity, migrate, pair, session};
use crate::llm::SpaceSpec;

pub(super) async fn check(
    report: &mut Report,
    settings: &Settings,
    databases: &Databases,
    space: Option<&SpaceSpec>,
) {
    let is_single = databases.mode == Mode::Single;
    let mut core = open(report, "core", "DATABASE_URL", databases.core.pool()).await;
    // With one database ai is looked at through a connection of its own too.
    let variable = if is_single { "DATABASE_URL" } else { "AI_DATABASE_URL" };
    let mut ai = open(report, "ai", variable, databases.ai.pool()).await;

    let core_facts = match &mut core {
        Some(core) => server_checks(report, "core", core).await,
        None => None,
    };
    let ai_facts = match &mut ai {
        Some(ai) if !is_single => server_checks(report, "ai", ai).await,
        _ => None,
    };
    if let Some(core) = &core_facts {
        pools(report, settings, core, ai_facts.as_ref());
    }
    if let Some(core) = &mut core {
        let status = migrate::core_status(&databases.core).await;
        schema::check(report, Chain::Core, status, core).await;
        schema::queues(report, core).await;
    }
    if let Some(ai) = &mut ai {
        server::vector(report, ai).await;
        let status = migrate::ai_status(&databases.ai).await;
        schema::check(report, Chain::Ai, status, ai).await;
        schema::row_security(report, ai).await;
        spaces::space(report, ai, space).await;
        engines::engines(report, ai, settings).await;
        engines::indexes(report, ai, settings).await;
    }
    if core.is_some() && ai.is_some() {
        pairing(report, databases).await;
    }
    for connection in [core, ai].into_iter().flatten() {
        session::close(connection).await;
    }
}

async fn open(report: &mut Report, side: &str, variable: &str, pool: &PgPool) -> Option<PgConnection> {
    let name = format!("{side}.connection");
    let started = Instant::now();
    let opened = session::open(pool).await.map_err(|reason| session::unreachable(variable, pool, &reason));
    let connection = report.made(&name, opened)?;
    let target = crate::db::url::describe(&pool.connect_options());
    report.ok(name, format!("{target} in {:.1} ms", started.elapsed().as_secs_f64() * 1000.0));
    Some(connection)
}

async fn server_checks(report: &mut Report, side: &str, connection: &mut PgConnection) -> Option<Facts> {
    let facts = facts::read(connection).await;
    let facts = report.made(&format!("{side}.server"), facts)?;
    server::check(report, side, &facts);
    server::collation(report, side, connection).await;
    Some(facts)
}

fn pools(report: &mut Report, settings: &Settings, core: &Facts, ai: Option<&Facts>) {
    let tight = capacity::warnings(&settings.database, core, ai);
    for (problem, remedy) in &tight {
        report.warn("pools", problem, remedy);
    }
    if tight.is_empty() {
        let database = &settings.database;
        let (of_core, of_ai) = (database.core_pool_max, database.ai_pool_max);
        let available = core.connections.available();
        let detail = match ai {
            Some(ai) => format!(
                "core {of_core} of {available}, ai {of_ai} of {} connections of their servers",
                ai.connections.available()
            ),
            None => format!("core {of_core} + ai {of_ai} of {available} connections of the server"),
        };
        report.ok("pools", detail);
    }
}

async fn pairing(report: &mut Report, databases: &Databases) {
    let Some(found) = report.made("pair", pair::inspect(databases).await) else {
        return;
    };
    match (found.finding, found.before.core.record) {
        (Some(finding), _) => report.fail("pair", finding.problem, finding.remedy),
        (None, Some(record)) if record.acked > 0 => {
            report.ok("pair", format!("{} ({:?}), epoch {}", record.id, record.mode, record.epoch));
        }
        (None, _) => report.warn(
            "pair",
            "the two databases are no pair yet",
            "the first `tandem serve` or `tandem migrate` makes them one",
        ),
    }
}
