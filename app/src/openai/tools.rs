//! A client's own tools. They go to the model as they are, and its calls come
//! back: nothing of them runs here.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::llm::ToolCall;

/// Tools of one request, as OpenAI limits them.
const TOOLS_MAX: usize = 128;

/// The tools of `/v1/chat/completions`, checked.
pub(super) fn checked(tools: &Value) -> Result<Option<Value>> {
    let Some(list) = list(tools)? else { return Ok(None) };
    for (index, tool) in list.iter().enumerate() {
        is_function(tool, index)?;
        named(&tool["function"], format!("tools[{index}].function.name"))?;
    }
    Ok(Some(tools.clone()))
}

/// The tools of `/v1/responses`, as models are told of them.
pub(super) fn nested(tools: &Value) -> Result<Option<Value>> {
    let Some(list) = list(tools)? else { return Ok(None) };
    let tools = list.iter().enumerate().map(|(index, tool)| {
        is_function(tool, index)?;
        named(tool, format!("tools[{index}].name"))?;
        let parts = ["name", "description", "parameters", "strict"];
        let given = parts.into_iter().filter_map(|part| Some((part.to_owned(), tool.get(part)?.clone())));
        let function: Map<String, Value> = given.filter(|(_, value)| !value.is_null()).collect();
        Ok(json!({ "type": "function", "function": function }))
    });
    Ok(Some(Value::Array(tools.collect::<Result<_>>()?)))
}

/// The choice of `/v1/responses`, as models are told of it.
pub(super) fn nested_choice(choice: &Value) -> Result<Value> {
    match (choice, choice["type"].as_str()) {
        (Value::String(_), _) => Ok(choice.clone()),
        (_, Some("function")) => Ok(
            json!({ "type": "function", "function": { "name": named(choice, "tool_choice.name".to_owned())? } }),
        ),
        _ => Err(Error::field("tool_choice", "must be none, auto, required or a function")),
    }
}

/// A call as the model is told of it again.
pub(super) fn call(value: &Value, field: &str) -> Result<ToolCall> {
    let function = if value["function"].is_object() { &value["function"] } else { value };
    let id = value.get("call_id").or_else(|| value.get("id")).and_then(Value::as_str);
    match (id, function["name"].as_str(), function["arguments"].as_str()) {
        (Some(id), Some(name), Some(arguments)) => {
            Ok(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
        }
        _ => Err(Error::field(field, "must be a call of a function: id, name and arguments, all texts")),
    }
}

fn list(tools: &Value) -> Result<Option<&Vec<Value>>> {
    match tools {
        Value::Null => Ok(None),
        Value::Array(list) if list.is_empty() => Ok(None),
        Value::Array(list) if list.len() <= TOOLS_MAX => Ok(Some(list)),
        _ => Err(Error::field("tools", format!("must be a list of at most {TOOLS_MAX} tools"))),
    }
}

fn is_function(tool: &Value, index: usize) -> Result<()> {
    if tool["type"] == "function" {
        return Ok(());
    }
    let message = "only tools of type function are known here; knowledge and memory need none";
    Err(Error::field(format!("tools[{index}].type"), message))
}

fn named(function: &Value, field: String) -> Result<&str> {
    let name = function["name"].as_str().filter(|name| !name.is_empty());
    name.ok_or_else(|| Error::field(field, "must name the function"))
}
