//! Is it a pair, and if not, what happened?

use serde::Serialize;

use super::{PairMode, Record, Sides};
use crate::error::Error;

/// What is wrong with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Ai belongs to another core.
    AnotherPair,
    /// Core has a pair, and this ai is new.
    NewAi,
    /// Ai has a pair, and this core is new.
    NewCore,
    /// One database became two, or two became one.
    ModeChanged,
    /// Core went back in time.
    CoreRestored,
    /// Ai went back in time.
    AiRestored,
}

/// A mismatch, with cause and remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// The cause.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        Self::startup(finding.problem, finding.remedy)
    }
}

const CORRECT_URLS: &str = "correct DATABASE_URL or AI_DATABASE_URL; if these two are to work together \
     from now on, run `tandem pair`";

/// The first thing that is wrong, or `None`: a pair, or two that may become one.
pub fn judge(sides: &Sides) -> Option<Finding> {
    let (core_name, ai_name) = (&sides.core.database, &sides.ai.database);
    match (&sides.core.record, &sides.ai.record) {
        (None, None) => None,
        (None, Some(_)) => Some(Finding {
            code: Code::NewCore,
            problem: format!(
                "the ai database \"{ai_name}\" belongs to a core already, and core \"{core_name}\" is new"
            ),
            remedy: CORRECT_URLS.to_owned(),
        }),
        (Some(core), _) if core.mode != sides.configured => Some(mode_changed(core_name, core.mode)),
        (Some(_), None) if sides.acked == 0 => None,
        (Some(_), None) => Some(Finding {
            code: Code::NewAi,
            problem: format!(
                "core \"{core_name}\" has an ai database, and \"{ai_name}\" is not it: it is empty or new"
            ),
            remedy: format!("{CORRECT_URLS}; what the missing ai database held is then gone"),
        }),
        (Some(core), Some(ai)) => both(sides, core, ai),
    }
}

fn both(sides: &Sides, core: &Record, ai: &Record) -> Option<Finding> {
    let (core_name, ai_name) = (&sides.core.database, &sides.ai.database);
    if core.id != ai.id || core.mode != ai.mode {
        return Some(Finding {
            code: Code::AnotherPair,
            problem: format!(
                "the ai database \"{ai_name}\" (pair {}) does not belong to core \"{core_name}\" (pair {})",
                ai.id, core.id
            ),
            remedy: CORRECT_URLS.to_owned(),
        });
    }
    if ai.epoch > core.epoch {
        return Some(Finding {
            code: Code::CoreRestored,
            problem: format!(
                "core \"{core_name}\" was restored to an earlier point (epoch {}) than the ai database \"{ai_name}\" (epoch {})",
                core.epoch, ai.epoch
            ),
            remedy: restored("ai"),
        });
    }
    if ai.epoch < sides.acked {
        return Some(Finding {
            code: Code::AiRestored,
            problem: format!(
                "the ai database \"{ai_name}\" was restored to an earlier point (epoch {}) than core \"{core_name}\" (epoch {})",
                ai.epoch, sides.acked
            ),
            remedy: restored("core"),
        });
    }
    None
}

fn restored(other: &str) -> String {
    format!(
        "restore {other} to the same point in time, or go on with the two as they are: stop every tandem, \
         then `tandem pair` (docs/restore.md says what that means)"
    )
}

/// The layout is another than the pair's.
pub(super) fn mode_changed(core: &str, was: PairMode) -> Finding {
    let (problem, remedy) = match was {
        PairMode::Dual => (
            format!("core \"{core}\" works with an ai database of its own, and AI_DATABASE_URL is not set"),
            "set AI_DATABASE_URL to that database; if the ai data is in this one from now on, run `tandem pair`",
        ),
        PairMode::Single => (
            format!("database \"{core}\" holds both schemas, and AI_DATABASE_URL names another database"),
            "unset AI_DATABASE_URL; if the ai data is in that database from now on, run `tandem pair`",
        ),
    };
    Finding { code: Code::ModeChanged, problem, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Side;
    use super::*;

    fn side(record: Option<Record>) -> Side {
        Side { database: "db".to_owned(), migrated: record.is_some(), record, changed_at: None }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a side has a record or none")]
    fn record(id: u128, mode: PairMode, epoch: i64) -> Option<Record> {
        Some(Record { id: Uuid::from_u128(id), mode, epoch, acked: 0 })
    }

    fn code(core: Option<Record>, ai: Option<Record>, acked: i64, configured: PairMode) -> Option<Code> {
        let sides = Sides { configured, core: side(core), ai: side(ai), acked };
        judge(&sides).map(|finding| finding.code)
    }

    #[test]
    fn every_mismatch_has_its_name_and_a_pair_has_none() {
        use PairMode::{Dual, Single};
        let cases = [
            (None, None, 0, Dual, None),
            (record(1, Dual, 5), record(1, Dual, 5), 5, Dual, None),
            // Told to core, not yet to ai; told to ai, not yet noted.
            (record(1, Dual, 6), record(1, Dual, 5), 5, Dual, None),
            (record(1, Dual, 6), record(1, Dual, 6), 5, Dual, None),
            // A first start that was killed before ai joined.
            (record(1, Dual, 1), None, 0, Dual, None),
            (record(1, Dual, 9), None, 9, Dual, Some(Code::NewAi)),
            (None, record(1, Dual, 1), 0, Dual, Some(Code::NewCore)),
            (record(1, Dual, 9), record(2, Dual, 9), 9, Dual, Some(Code::AnotherPair)),
            (record(1, Dual, 9), None, 9, Single, Some(Code::ModeChanged)),
            (record(1, Single, 1), None, 1, Dual, Some(Code::ModeChanged)),
            (record(1, Dual, 4), record(1, Dual, 9), 4, Dual, Some(Code::CoreRestored)),
            (record(1, Dual, 9), record(1, Dual, 4), 9, Dual, Some(Code::AiRestored)),
        ];
        for (number, (core, ai, acked, configured, expected)) in cases.into_iter().enumerate() {
            assert_eq!(code(core, ai, acked, configured), expected, "case {number}");
        }
    }
}
