//! What replicas tell each other of turns, over NOTIFY in core.
//!
//! Whoever follows a turn of another process says so, once; from then on its
//! writer tells of its events. A turn that nobody follows from afar notifies
//! nobody. Everything here may be lost: followers also look by the clock, and a
//! writer that prolongs its lease learns that it was cancelled.

use entity::ids::MessageId;
use sea_orm::{DbBackend, Statement};
use uuid::Uuid;

use crate::db::{CoreConn, journal};
use crate::error::Result;
use crate::jobs::{Heard, Listener};
use crate::state::AppState;
use crate::web::far::FarLogs;
use crate::web::live::LiveLogs;
use crate::web::signals::Stop;

/// Where writers of turns are spoken to.
pub(super) const TURNS: &str = "tandem_turns";

/// Hears what other replicas say of turns.
pub fn listen(state: &AppState, listener: &mut Listener) {
    let live = state.live.clone();
    listener.on(TURNS, move |heard| {
        if let Heard::Notified(words) = heard {
            obey(&live, words);
        }
    });
    let far = state.far.clone();
    listener.on(journal::CHANNEL, move |heard| {
        if let Heard::Notified(words) = heard {
            wake(&far, words);
        }
    });
}

/// `cancel <message>`, `decide <message>` or `follow <message>`; every process hears it, one writes the turn.
fn obey(live: &LiveLogs, words: &str) {
    let Some((deed, id)) = words.split_once(' ') else { return };
    let Some(signals) = Uuid::parse_str(id).ok().and_then(|id| live.signals(id)) else { return };
    match deed {
        "cancel" => signals.stop(Stop::Cancelled),
        "decide" => signals.decide(),
        "follow" => signals.watch(),
        _ => {}
    }
}

/// `<message>:<seq>`, separated by commas.
fn wake(far: &FarLogs, words: &str) {
    for (id, seq) in words.split(',').filter_map(|grown| grown.split_once(':')) {
        if let (Ok(id), Ok(seq)) = (Uuid::parse_str(id), seq.parse()) {
            far.tell(id, seq);
        }
    }
}

/// Asks the writer of a turn, wherever it is, to tell of its events.
pub(super) async fn ask_to_be_told(core: &impl CoreConn, id: MessageId) -> Result<()> {
    notify(core, TURNS, format!("follow {}", id.0)).await
}

/// Tells that a turn has an event with this number.
pub(super) async fn tell(core: &impl CoreConn, id: MessageId, seq: i32) -> Result<()> {
    notify(core, journal::CHANNEL, format!("{}:{seq}", id.0)).await
}

async fn notify(core: &impl CoreConn, channel: &str, words: String) -> Result<()> {
    let values = [channel.into(), words.into()];
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)::text", values);
    core.execute_raw(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_reach_the_turn_they_name_and_nonsense_reaches_none() {
        let (live, far, id) = (LiveLogs::default(), FarLogs::default(), Uuid::now_v7());
        let writer = live.start(id);
        for nonsense in
            ["", "cancel", "cancel it", "end", &format!("end {id}"), &format!("cancel {}", Uuid::nil())]
        {
            obey(&live, nonsense);
        }
        assert!(!writer.signals().is_watched());
        obey(&live, &format!("follow {id}"));
        assert!(writer.signals().is_watched());
        obey(&live, &format!("cancel {id}"));
        assert_eq!(writer.signals().stopped().await, Stop::Cancelled);

        let mut follower = far.follow(id);
        wake(&far, &format!("nonsense,{id}:many,{}:4,{id}:7", Uuid::nil()));
        follower.changed().await.unwrap();
        assert_eq!(*follower.borrow(), 7);
    }
}
