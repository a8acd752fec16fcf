//! The journal writes for many turns at once, each under its own lease.

use futures::future::join_all;
use sea_orm::ConnectionTrait;
use tandem::db::journal::{Append, Line};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::user::TestUser;

/// A turn that this owner writes, with a lease that ends after so many seconds.
pub(super) async fn turn(app: &TestApp, user: &TestUser, owner: Uuid, seconds: i32) -> Uuid {
    let (id, conversation) = (Uuid::now_v7(), user.conversation().await);
    let sql = format!(
        "INSERT INTO messages (id, conversation_id, position, role, status, lease_owner, lease_expires_at)
         VALUES ('{id}', '{conversation}', 1, 'assistant', 'streaming', '{owner}', now() + interval '{seconds} s')"
    );
    app.core().execute_unprepared(&sql).await.unwrap();
    id
}

fn append(message_id: Uuid, lease_owner: Uuid, data: &[&str]) -> Append {
    let line = |(seq, data): (i32, &&str)| Line { seq, event: "token".to_owned(), data: (*data).to_owned() };
    Append { message_id, lease_owner, is_watched: false, lines: (1..).zip(data).map(line).collect() }
}

/// Lines that stand after the third.
fn fourth(message_id: Uuid, lease_owner: Uuid) -> Append {
    let mut append = append(message_id, lease_owner, &[r#"{"delta":"d"}"#, r#"{"delta":"e"}"#]);
    append.lines.iter_mut().for_each(|line| line.seq += 3);
    append
}

async fn stored(app: &TestApp, id: Uuid) -> i64 {
    let sql = format!("SELECT count(*) AS n FROM message_events WHERE message_id = '{id}'");
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    app.core().query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

/// All go at once, so that they share statements: whoever lost its lease, and
/// whoever spoils a statement, costs the others nothing.
#[tokio::test]
async fn lines_are_stored_only_under_a_living_lease_whoever_else_is_in_the_statement() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let owner = Uuid::now_v7();
    let (mut good, mut expired, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        good.push(turn(&app, &user, owner, 60).await);
        expired.push(turn(&app, &user, owner, -1).await);
        foreign.push(turn(&app, &user, Uuid::now_v7(), 60).await);
    }
    let spoilt = turn(&app, &user, owner, 60).await;
    let two = [r#"{"delta":"a"}"#, r#"{"delta":"b"}"#];
    let all = good.iter().chain(&expired).chain(&foreign);
    let appends = all.map(|id| app.state.journal.append(append(*id, owner, &two)));
    let wrong = app.state.journal.append(append(spoilt, owner, &["no JSON"]));
    let (outcomes, wrong) = futures::join!(join_all(appends), wrong);
    let outcomes: Vec<bool> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [[true; 5], [false; 5], [false; 5]].concat());
    wrong.unwrap_err();
    for id in good {
        assert_eq!(stored(&app, id).await, 2);
    }
    for id in expired.into_iter().chain(foreign).chain([spoilt]) {
        assert_eq!(stored(&app, id).await, 0);
    }
}

/// All go at once: what would leave a gap is not stored, and costs nobody else anything.
#[tokio::test]
async fn no_append_leaves_a_gap() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let owner = Uuid::now_v7();
    let three = [r#"{"delta":"a"}"#; 3];
    let (whole, cut, empty) = (
        turn(&app, &user, owner, 60).await,
        turn(&app, &user, owner, 60).await,
        turn(&app, &user, owner, 60).await,
    );
    let journal = &app.state.journal;
    assert!(journal.append(append(whole, owner, &three)).await.unwrap());
    assert!(journal.append(append(cut, owner, &three[..2])).await.unwrap());
    let all = [whole, cut, empty].map(|id| journal.append(fourth(id, owner)));
    let outcomes: Vec<bool> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [true, false, false]);
    for (id, last) in [(whole, 5), (cut, 2), (empty, 0)] {
        assert_eq!(stored(&app, id).await, i64::from(last));
        assert_eq!(journal.last(id).await.unwrap(), last);
    }
}
