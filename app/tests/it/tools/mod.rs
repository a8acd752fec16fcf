//! What the model may call, what it gets, and what it can not be made to do.

mod approval;
mod budget;
mod cited;
mod documents;
mod external;
mod injection;
mod memories;
mod obeying;
mod portfolio;
mod rounds;

use serde_json::Value;

use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

/// An application whose model is the scripted server.
pub(crate) fn modelled(server: &ModelServer) -> Options {
    TestApp::with().env("OPENAI_BASE_URL", server.url()).env("CHAT_MODEL", "scripted")
}

/// The same, with nothing retrieved before the model is asked.
pub(crate) fn without_retrieval(server: &ModelServer) -> Options {
    modelled(server).env("TANDEM__CHAT__RETRIEVED_PASSAGES", 0).env("TANDEM__CHAT__RETRIEVED_MEMORIES", 0)
}

/// The results of tools in the last request, in order.
pub(crate) fn results(server: &ModelServer) -> Vec<Value> {
    let requests = server.requests();
    let messages = requests.last().unwrap().messages();
    messages
        .iter()
        .filter(|(role, _)| role == "tool")
        .map(|(_, content)| serde_json::from_str(content).unwrap())
        .collect()
}

/// Lets the model make one call, then answer; the call's result.
pub(crate) async fn call(
    server: &ModelServer,
    user: &TestUser,
    conversation: &str,
    said: &str,
    (tool, arguments): (&str, Value),
) -> Value {
    server.push(Script::calls([(tool, arguments)]));
    server.push(Script::reply(["Done."]));
    let answer = user.ask(conversation, said).await.expect(200);
    assert_eq!(answer["content"], "Done.");
    results(server).pop().unwrap()
}
