//! The items of a request: as they are kept, and as models are given them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::chat::brought::Earlier;
use crate::error::{Error, Result};
use crate::llm::{ChatMessage, Role};
use crate::openai::tools;

/// Items of one request.
const ITEMS_MAX: usize = 1000;

/// What a client gives as `input`, in the one form in which it is kept.
pub(super) fn read(input: &Value) -> Result<Vec<Value>> {
    match input {
        Value::String(text) => Ok(vec![message("user", text)]),
        Value::Array(items) if (1..=ITEMS_MAX).contains(&items.len()) => {
            let read = items.iter().enumerate().map(|(index, given)| item(given, index));
            Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        }
        _ => Err(Error::field("input", format!("must be a text or a list of 1 to {ITEMS_MAX} items"))),
    }
}

/// Items as models are given them. They were read before.
pub(super) fn messages(items: &[Value]) -> Result<Vec<ChatMessage>> {
    let mut messages: Vec<ChatMessage> = Vec::new();
    for item in items {
        match item["type"].as_str() {
            Some("function_call") => call(&mut messages, item)?,
            Some("function_call_output") => {
                let (id, output) = (text_of(&item["call_id"]), text_of(&item["output"]));
                messages.push(ChatMessage::answering(id, output));
            }
            _ => {
                let role = match item["role"].as_str() {
                    Some("user") => Role::User,
                    Some("assistant") => Role::Assistant,
                    _ => Role::System,
                };
                messages.push(ChatMessage::new(role, text_of(&item["content"][0]["text"])));
            }
        }
    }
    Ok(messages)
}

/// Earlier turns as models are given them, oldest first.
pub(super) fn history(turns: &[Earlier]) -> Result<Vec<ChatMessage>> {
    let mut history = Vec::new();
    for turn in turns {
        match &turn.input {
            Some(Value::Array(items)) => history.extend(messages(items)?),
            _ if !turn.question.trim().is_empty() => {
                history.push(ChatMessage::new(Role::User, turn.question.as_str()));
            }
            _ => {}
        }
        let calls = turn.calls.as_array().map_or(&[][..], Vec::as_slice);
        let calls = calls.iter().map(|given| tools::call(given, "input")).collect::<Result<Vec<_>>>()?;
        if !(turn.answer.trim().is_empty() && calls.is_empty()) {
            history.push(ChatMessage::calling(turn.answer.as_str(), calls));
        }
    }
    Ok(history)
}

/// A call belongs to the words of the model before it.
fn call(messages: &mut Vec<ChatMessage>, item: &Value) -> Result<()> {
    let call = tools::call(item, "input")?;
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
        _ => messages.push(ChatMessage::calling("", vec![call])),
    }
    Ok(())
}

fn item(given: &Value, index: usize) -> Result<Option<Value>> {
    let field = |name: &str| format!("input[{index}].{name}");
    match (given["type"].as_str(), given["role"].as_str()) {
        (None | Some("message"), Some(role)) => {
            if !["user", "assistant", "system", "developer"].contains(&role) {
                return Err(Error::field(field("role"), "must be user, assistant, system or developer"));
            }
            Ok(Some(with_id(message(role, &words(&given["content"], &field("content"))?), given)))
        }
        (Some("function_call"), _) => {
            let call = tools::call(given, &format!("input[{index}]"))?;
            let item = json!({
                "id": made("fc"), "type": "function_call", "status": "completed",
                "call_id": call.id, "name": call.name, "arguments": call.arguments,
            });
            Ok(Some(with_id(item, given)))
        }
        (Some("function_call_output"), _) => {
            let id = given["call_id"].as_str();
            let id =
                id.ok_or_else(|| Error::field(field("call_id"), "must name the call that is answered"))?;
            let output = words(&given["output"], &field("output"))?;
            let item = json!({
                "id": made("fco"), "type": "function_call_output", "status": "completed",
                "call_id": id, "output": output,
            });
            Ok(Some(with_id(item, given)))
        }
        // A model's thoughts are its own; they come back with its answer from clients that send it whole.
        (Some("reasoning"), _) => Ok(None),
        (given, _) => {
            let given = given.unwrap_or("without a type");
            let message = format!(
                "items of type message, function_call and function_call_output are read, not '{given}'"
            );
            Err(Error::field(field("type"), message))
        }
    }
}

fn message(role: &str, text: &str) -> Value {
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    let mut part = json!({ "type": kind, "text": text });
    if role == "assistant" {
        part["annotations"] = json!([]);
    }
    json!({ "id": made("msg"), "type": "message", "status": "completed", "role": role, "content": [part] })
}

fn with_id(mut item: Value, given: &Value) -> Value {
    if given["id"].is_string() {
        item["id"] = given["id"].clone();
    }
    item
}

fn made(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// A text, or parts that are texts, put together.
fn words(content: &Value, field: &str) -> Result<String> {
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match part["type"].as_str() {
                Some("input_text" | "output_text" | "text") => {
                    part["text"].as_str().ok_or("must have a text")
                }
                Some("refusal") => part["refusal"].as_str().ok_or("must have a text"),
                _ => Err("parts other than texts are not read here"),
            })
            .collect::<Result<String, _>>()
            .map_err(|message| Error::field(field, message)),
        _ => Err(Error::field(field, "must be a text or a list of texts")),
    }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_become_messages_and_calls_belong_to_the_words_before_them() {
        let input = json!([
            { "role": "developer", "content": "Be short." },
            { "role": "user", "content": [{ "type": "input_text", "text": "How " }, { "type": "input_text", "text": "warm?" }] },
            { "type": "reasoning", "id": "rs_1", "summary": [] },
            { "type": "message", "role": "assistant", "id": "msg_1", "content": [{ "type": "output_text", "text": "I look." }] },
            { "type": "function_call", "call_id": "c1", "name": "warmth", "arguments": "{}" },
            { "type": "function_call", "call_id": "c2", "name": "wind", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c1", "output": "12" },
            { "type": "function_call_output", "call_id": "c2", "output": [{ "type": "input_text", "text": "calm" }] },
        ]);
        let items = read(&input).unwrap();
        assert_eq!(items.len(), 7);
        assert_eq!(items[2]["id"], "msg_1");
        let messages = messages(&items).unwrap();
        let roles: Vec<Role> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Tool]);
        assert_eq!(messages[1].content, "How warm?");
        assert_eq!(
            messages[2].tool_calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(),
            ["warmth", "wind"]
        );
        assert_eq!((messages[4].tool_call_id.as_deref(), messages[4].content.as_str()), (Some("c2"), "calm"));
    }

    #[test]
    fn what_is_not_read_is_named() {
        for (input, field) in [
            (json!(5), "input"),
            (json!([]), "input"),
            (json!([{ "role": "wizard", "content": "x" }]), "input[0].role"),
            (json!([{ "role": "user", "content": [{ "type": "input_image" }] }]), "input[0].content"),
            (json!([{ "type": "item_reference", "id": "x" }]), "input[0].type"),
            (json!([{ "type": "function_call_output", "output": "x" }]), "input[0].call_id"),
            (json!([{ "type": "function_call", "call_id": "x" }]), "input[0]"),
        ] {
            let Err(Error::Invalid(errors)) = read(&input) else { panic!("{input} was read") };
            assert_eq!(errors[0].field, field);
        }
    }
}
