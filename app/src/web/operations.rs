//! The names of operations in the OpenAPI document.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

/// Names each operation by its method and path, `get_chat_messages_id_stream`:
/// handlers share names (`create`, `list`), and generated clients need each once.
pub fn name(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let words: Vec<&str> = path
            .trim_start_matches("/api")
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty() && *word != "v1")
            .collect();
        let words = words.join("_");
        let prefix = if path.starts_with("/v1/") { "openai_" } else { "" };
        let named = |method: &str, operation: &mut Option<Operation>| {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{prefix}{words}"));
            }
        };
        named("get", &mut item.get);
        named("post", &mut item.post);
        named("put", &mut item.put);
        named("patch", &mut item.patch);
        named("delete", &mut item.delete);
    }
}
