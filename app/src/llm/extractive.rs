//! x
pub struct Passage<'a> { pub text: &'a str, pub similarity: f32 }
pub struct Recollection<'a> { pub text: &'a str, pub similarity: f32 }
pub struct Answer { pub text: String, pub grounded: bool }
pub fn answer(_: &str, _: &[Passage<'_>], _: &[Recollection<'_>], _: f32) -> Answer { Answer { text: String::new(), grounded: false } }
pub fn best_sentence<'a>(_: &str, p: &'a str) -> Option<&'a str> { Some(p) }
