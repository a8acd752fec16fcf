//! Do the pools fit the server?

use super::facts::{Connections, Facts};
use super::preflight::Refusal;
use crate::config::Database;

impl Connections {
    /// What an ordinary role may open.
    pub(super) fn available(self) -> i64 {
        let limits = [Some(self.max - self.reserved), self.of_role, self.of_database];
        limits.into_iter().flatten().min().map_or(0, i64::from)
    }
}

/// What is too tight, with the numbers. Ai is `None` when it is in core's
/// database; both pools on one server are counted together.
pub(super) fn warnings(settings: &Database, core: &Facts, ai: Option<&Facts>) -> Vec<Refusal> {
    let (core_pool, ai_pool) = (i64::from(settings.core_pool_max), i64::from(settings.ai_pool_max));
    let same_server = ai.is_none_or(|ai| is_same_server(core, ai));
    match ai {
        Some(ai) if !same_server => [
            tight(core, core_pool, &format!("core pool {core_pool}")),
            tight(ai, ai_pool, &format!("ai pool {ai_pool}")),
        ]
        .into_iter()
        .flatten()
        .collect(),
        _ => {
            let sum = format!("core pool {core_pool} + ai pool {ai_pool}");
            tight(core, core_pool + ai_pool, &sum).into_iter().collect()
        }
    }
}

fn is_same_server(core: &Facts, ai: &Facts) -> bool {
    core.started_at.to_bits() == ai.started_at.to_bits()
}

fn tight(facts: &Facts, wanted: i64, sum: &str) -> Option<Refusal> {
    let Connections { max, reserved, of_role, of_database } = facts.connections;
    let available = facts.connections.available();
    if wanted <= available {
        return None;
    }
    let mut limits = format!("max_connections {max}, {reserved} of them reserved");
    for (what, limit) in [("role", of_role), ("database", of_database)] {
        if let Some(limit) = limit {
            limits = format!("{limits}, {limit} for this {what}");
        }
    }
    Some((
        format!(
            "one tandem may open {wanted} connections ({sum}), the server of database \"{}\" allows {available} ({limits})",
            facts.database
        ),
        "lower TANDEM__DATABASE__CORE_POOL_MAX and TANDEM__DATABASE__AI_POOL_MAX, or raise max_connections; every replica needs its share"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(max: i32, of_role: Option<i32>, started_at: f64) -> Facts {
        let connections = Connections { max, reserved: 3, of_role, of_database: None };
        Facts { connections, started_at, ..Facts::for_tests() }
    }

    #[test]
    fn pools_on_one_server_count_together() {
        let settings = crate::config::Settings::load(&crate::config::Env::new()).unwrap().database;
        let roomy = facts(48, None, 1.0);
        assert_eq!(warnings(&settings, &roomy, None), []);
        assert_eq!(warnings(&settings, &roomy, Some(&facts(48, None, 1.0))), []);
        let [(problem, _)] = &warnings(&settings, &facts(47, None, 1.0), None)[..] else { panic!() };
        assert!(problem.contains("45 connections") && problem.contains("allows 44"), "{problem}");
        // Two servers: each carries its own pool.
        assert_eq!(warnings(&settings, &facts(33, None, 1.0), Some(&facts(18, None, 2.0))), []);
        let [(problem, _)] = &warnings(&settings, &roomy, Some(&facts(100, Some(10), 2.0)))[..] else {
            panic!()
        };
        assert!(problem.contains("ai pool 15") && problem.contains("10 for this role"), "{problem}");
    }
}
