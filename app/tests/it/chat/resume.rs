//! A stream goes on where it was cut, at whatever replica.

use std::time::{Duration, Instant};

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::{EventStream, SseEvent, joined};
use crate::support::user::TestUser;

/// Sends a message; its stream, after the first event, and the answer's id.
pub(super) async fn begin(user: &TestUser) -> (EventStream, SseEvent, String) {
    let path = format!("/chat/conversations/{}/send", user.conversation().await);
    let mut stream = user.open(Method::POST, &path, Some(json!({ "content": "go" })), &[]).await;
    let first = stream.next().await.unwrap();
    let id = first.data["assistant_message_id"].as_str().unwrap().to_owned();
    (stream, first, id)
}

/// The answer as it is stored.
pub(super) async fn stored(user: &TestUser, first: &SseEvent) -> Value {
    let conversation = first.data["conversation_id"].as_str().unwrap();
    let messages = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    messages["items"][1].clone()
}

pub(super) async fn attach(user: &TestUser, id: &str, after: i64) -> EventStream {
    let after = after.to_string();
    user.open(Method::GET, &format!("/chat/messages/{id}/stream"), None, &[("Last-Event-ID", &after)]).await
}

fn assert_each_once(events: &[SseEvent]) {
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..).take(ids.len()).collect::<Vec<i64>>(), "{events:?}");
    let endings = events.iter().filter(|event| ["done", "error"].contains(&event.event.as_str()));
    assert_eq!(endings.count(), 1, "{events:?}");
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("wörd{number} ")).collect()
}

/// Reads until ten tokens came or the stream ends.
async fn read_ten(stream: &mut EventStream, events: &mut Vec<SseEvent>) -> bool {
    let mut tokens = 0;
    while tokens < 10 {
        let Some(event) = stream.next().await else { return true };
        tokens += usize::from(event.event == "token");
        events.push(event);
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_at_every_tenth_token_goes_on_at_the_next_replica() {
    let server = ModelServer::start().await;
    server.always(Script::reply(numbered(45)).every(Duration::from_millis(55)));
    let writer = with_model(&server).await;
    let replicas = [writer.replica().await, writer.replica().await];
    // One hears of the events, one looks by the clock.
    writer.hear();
    replicas[0].hear();
    let owner = writer.user().await;
    let turns = (0..12).map(|_| {
        let here = owner.clone();
        let there = [replicas[0].at(&owner), replicas[1].at(&owner), owner.clone()];
        async move {
            let (mut stream, first, id) = begin(&here).await;
            let (mut events, mut cuts) = (vec![first.clone()], 0);
            while !read_ten(&mut stream, &mut events).await {
                stream = attach(&there[cuts % there.len()], &id, events.last().unwrap().id).await;
                cuts += 1;
            }
            assert!(cuts >= 3, "only {cuts} cuts");
            assert_each_once(&events);
            let last = events.last().unwrap();
            let stored = stored(&here, &first).await;
            assert_eq!(stored["status"], "complete");
            assert_eq!(joined(&events), stored["content"].as_str().unwrap());
            assert_eq!((last.event.as_str(), &last.data["content"]), ("done", &stored["content"]));
            assert_eq!(stored["content"], numbered(45).concat());
        }
    });
    futures::future::join_all(turns).await;
}

#[tokio::test]
async fn followers_of_another_replica_are_told_and_nobody_else_is() {
    let server = ModelServer::start().await;
    server.always(Script::reply(numbered(20)).every(Duration::from_millis(120)));
    let writer = with_model(&server).await;
    let other = writer.replica().await;
    writer.hear();
    other.hear();
    let user = writer.user().await;
    // Connected, both of them: what is notified from here on is heard.
    let (stream, _, id) = begin(&user).await;
    let unasked = other.state.far.follow(id.parse().unwrap());
    stream.rest().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!unasked.has_changed().unwrap(), "a turn that nobody follows was told of");

    let (near, _, id) = begin(&user).await;
    let far = attach(&other.at(&user), &id, 1).await;
    let arrivals = async |mut stream: EventStream| {
        let mut arrivals = Vec::new();
        while let Some(event) = stream.next().await {
            arrivals.push((event.id, Instant::now()));
        }
        arrivals
    };
    let (near, far) = tokio::join!(arrivals(near), arrivals(far));
    assert_eq!(
        near.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        far.iter().map(|(id, _)| id).collect::<Vec<_>>()
    );
    let mut late: Vec<Duration> =
        near.iter().zip(&far).map(|((_, near), (_, far))| far.saturating_duration_since(*near)).collect();
    late.sort();
    // By the clock alone it would be a second once told, else an eighth of one.
    assert!(late[late.len() / 2] < Duration::from_millis(80), "{late:?}");
}

#[tokio::test]
async fn an_ended_turn_answers_what_is_left_of_its_log_and_later_its_text() {
    let server = ModelServer::start().await;
    server.always(Script::reply(numbered(5)).every(Duration::from_millis(60)).usage(7, 5));
    let app = with_model(&server).await;
    let user = app.user().await;
    let (stream, first, id) = begin(&user).await;
    let mut events = vec![first.clone()];
    events.extend(stream.rest().await);
    let stored = stored(&user, &first).await;
    let count = events.len();
    for after in [0, 1, count / 2, count - 1, count] {
        let rest = attach(&user, &id, i64::try_from(after).unwrap()).await.rest().await;
        assert_eq!(rest, events[after.min(count)..], "after {after}");
        let path = format!("/chat/messages/{id}/stream?starting_after={after}");
        assert_eq!(user.get(&path).await.events(), rest);
    }
    // Whoever has more than was stored is told how it ended.
    for after in [i64::try_from(count).unwrap() + 1, 2_147_483_647] {
        let rest = attach(&user, &id, after).await.rest().await;
        let [done] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!((done.event.as_str(), &done.data["content"]), ("done", &stored["content"]));
    }
    // The header is newer than the address that a browser goes on asking for.
    let path = format!("/chat/messages/{id}/stream?starting_after=0");
    let last = count.to_string();
    let both = user.request(Method::GET, &path, None, &[("Last-Event-ID", &last)]).await;
    assert_eq!(both.events(), []);

    let text = stored["content"].as_str().unwrap();
    for gone in ["seq < 3", "true"] {
        app.core().execute_unprepared(&format!("DELETE FROM message_events WHERE {gone}")).await.unwrap();
        let whole = attach(&user, &id, 0).await.rest().await;
        assert_each_once(&whole);
        assert_eq!(joined(&whole), text);
        let done = whole.last().unwrap();
        assert_eq!((done.event.as_str(), done.data["content"].as_str()), ("done", Some(text)));
        assert_eq!(done.data["usage"]["total_tokens"], 12);
    }
    // Who has some of the text gets it whole in the last event, and none of it twice.
    let rest = attach(&user, &id, 3).await.rest().await;
    assert_eq!(rest.iter().map(|event| event.event.as_str()).collect::<Vec<_>>(), ["done"]);
    assert_eq!(rest[0].data["content"].as_str(), Some(text));
}

/// A crash of Postgres may take the last events of a running turn, which clients have seen.
#[tokio::test]
async fn events_that_postgres_lost_are_stored_again_and_nobody_sees_a_gap() {
    let server = ModelServer::start().await;
    server.push(Script::reply(numbered(40)).every(Duration::from_millis(60)));
    let app = with_model(&server).await;
    let other = app.replica().await;
    let user = app.user().await;
    let (mut stream, first, id) = begin(&user).await;
    let mut events = vec![first];
    read_ten(&mut stream, &mut events).await;
    let seen = events.last().unwrap().id;
    let lost = format!("DELETE FROM message_events WHERE message_id = '{id}' AND seq > {}", seen - 5);
    app.core().execute_unprepared(&lost).await.unwrap();
    let there = other.at(&user);
    let (here, behind, ahead) =
        tokio::join!(stream.rest(), async { attach(&there, &id, seen - 6).await.rest().await }, async {
            attach(&there, &id, seen).await.rest().await
        });
    events.extend(here);
    assert_each_once(&events);
    assert_eq!(joined(&events), numbered(40).concat());
    let after = |id: i64| &events[usize::try_from(id).unwrap()..];
    assert_eq!(behind, after(seen - 6));
    assert_eq!(ahead, after(seen));
    assert_eq!(attach(&there, &id, 0).await.rest().await, events);
}

#[tokio::test]
async fn an_interruption_is_told_once() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Half ", "said"]).every(Duration::from_hours(1)));
    let app = with_model(&server).await;
    let other = app.replica().await;
    let user = app.user().await;
    let (mut stream, first, id) = begin(&user).await;
    let mut events = vec![first.clone()];
    while events.last().unwrap().event != "token" {
        events.push(stream.next().await.unwrap());
    }
    drop(stream);
    let expire =
        "UPDATE messages SET lease_expires_at = now() - interval '1 second' WHERE status = 'streaming'";
    app.core().execute_unprepared(expire).await.unwrap();
    events.extend(attach(&other.at(&user), &id, events.last().unwrap().id).await.rest().await);
    assert_each_once(&events);
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data["code"]), ("error", &json!("turn_interrupted")));
    assert_eq!(attach(&other.at(&user), &id, last.id).await.rest().await, []);
    let stored = stored(&user, &first).await;
    assert_eq!((stored["status"].as_str(), stored["content"].as_str()), (Some("interrupted"), Some("Half")));
    assert_eq!(joined(&events), "Half");
}

#[tokio::test]
async fn where_to_go_on_is_a_number_and_only_answers_have_a_stream() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let answer = user.ask(&user.conversation().await, "What is beta?").await.expect(200);
    let id = answer["assistant_message_id"].as_str().unwrap();
    let path = format!("/chat/messages/{id}/stream");
    for wrong in ["", "x", "-1", "1.5", "2147483648", "1 2"] {
        let headers = [("Last-Event-ID", wrong)];
        user.request(Method::GET, &path, None, &headers).await.expect_wrong_field("Last-Event-ID");
        let wrong = wrong.replace(' ', "%20");
        user.get(&format!("{path}?starting_after={wrong}")).await.expect_wrong_field("starting_after");
    }
    user.get(&format!("{path}?after=1")).await.expect_problem(422, "invalid_field");
    stranger.get(&path).await.expect_problem(404, "not_found");
    for id in [answer["user_message_id"].as_str().unwrap(), &Uuid::now_v7().to_string()] {
        user.get(&format!("/chat/messages/{id}/stream")).await.expect_problem(404, "not_found");
        user.post(&format!("/chat/messages/{id}/cancel"), json!({})).await.expect_problem(404, "not_found");
    }
}

/// A replica that stops lets go of turns that others write.
#[tokio::test]
async fn a_replica_that_stops_sends_followers_elsewhere() {
    let server = ModelServer::start().await;
    server.always(Script::reply(numbered(40)).every(Duration::from_millis(60)));
    let writer = with_model(&server).await;
    let (second, third) = (writer.replica().await, writer.replica().await);
    let user = writer.user().await;
    let (_writers, first, id) = begin(&user).await;
    let mut stream = attach(&second.at(&user), &id, 1).await;
    let mut events = vec![first.clone()];
    events.push(stream.next().await.unwrap());
    second.state.shutdown.cancel();
    events.extend(stream.rest().await);
    assert!(!["done", "error"].contains(&events.last().unwrap().event.as_str()), "{events:?}");
    events.extend(attach(&third.at(&user), &id, events.last().unwrap().id).await.rest().await);
    assert_each_once(&events);
    assert!(eventually(|| async { stored(&user, &first).await["status"] == "complete" }).await);
    assert_eq!(joined(&events), numbered(40).concat());
}
