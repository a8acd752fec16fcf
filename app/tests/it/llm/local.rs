//! The models in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tandem::config::{Env, Models, Settings};
use tandem::llm::{EmbedKind, Embedder, ModelError, local};

const POCKET: &str = "pocket";
const MINILM: &str = "all-MiniLM-L6-v2";

/// Where `make setup` puts the model.
fn cache_dir() -> PathBuf {
    std::env::var_os("TANDEM_CACHE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from)
}

fn settings(model: &str) -> Models {
    let env = Env::from([("EMBEDDING_MODEL".to_owned(), model.to_owned())]);
    Settings::load(&env).unwrap().models
}

fn load(model: &str) -> Arc<dyn Embedder> {
    local::from_settings(&settings(model), &cache_dir()).unwrap()
}

async fn embed(model: &Arc<dyn Embedder>, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    model.embed(EmbedKind::Passage, texts).await.unwrap().vectors
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

#[tokio::test]
async fn minilm_gives_the_published_values() {
    let model = load(MINILM);
    let texts = [
        "That is a happy person",
        "That is a very happy person",
        "That is a happy dog",
        "Today is a sunny day",
    ];
    let vectors = embed(&model, &texts).await;
    for (vector, expected) in vectors[1..].iter().zip([0.943, 0.695, 0.257]) {
        let found = cosine(&vectors[0], vector);
        assert!((found - expected).abs() < 0.002, "{found} is not {expected}");
    }
}

#[tokio::test]
async fn a_packed_batch_equals_single_texts() {
    let model = load(MINILM);
    let long = "The committee published its yearly report on market risk. ".repeat(12);
    let texts = [
        "a",
        "Risk is the chance of a loss.",
        &long,
        "日本語 and émigré, ﬁnally 🙂",
        "12.5 % of $3,000.00?",
        &long[..300],
    ];
    let packed = embed(&model, &texts).await;
    for (text, packed) in texts.iter().zip(&packed) {
        let single = &embed(&model, &[text]).await[0];
        let worst = single.iter().zip(packed).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{worst} off");
        assert!((cosine(packed, packed) - 1.0).abs() < 1e-5);
    }
}

/// Alone or beside others, on one thread or on all.
#[tokio::test]
async fn a_question_is_embedded_as_the_same_words_in_a_passage_are() {
    let model = load(MINILM);
    let many = "What did the committee say about market risk in its yearly report? ".repeat(8);
    let texts = ["beta", "How much does JPM weigh in my portfolio?", "日本語 and émigré 🙂", &many];
    for (text, passage) in texts.iter().zip(embed(&model, &texts).await) {
        let question =
            model.embed(EmbedKind::Query, vec![(*text).to_owned()]).await.unwrap().vectors.remove(0);
        let found = cosine(&question, &passage);
        assert!(found > 0.999_999, "{found}");
    }
}

#[tokio::test]
async fn minilm_cuts_at_its_window_and_counts_without_it() {
    let model = load(MINILM);
    let words = "word ".repeat(1000);
    assert_eq!(model.count_tokens(&words), 1000);
    assert_eq!(model.max_tokens(), 254);
    let vectors = embed(&model, &[&words[..254 * 5], &words]).await;
    assert!(cosine(&vectors[0], &vectors[1]) > 0.999_99);
}

#[tokio::test]
async fn pocket_embeds_without_any_file() {
    let model = local::from_settings(&settings(POCKET), Path::new("/nowhere")).unwrap();
    let vectors = embed(&model, &["Send a document", "Transfer a file", "The weather is fine"]).await;
    assert!(cosine(&vectors[0], &vectors[1]) > cosine(&vectors[0], &vectors[2]));
    assert_eq!(model.space().dimensions, 384);
    assert_eq!(vectors[0].len(), 384);
    // Longer than the crate takes, with a character across the border.
    assert_eq!(embed(&model, &[&"é".repeat(40_000)]).await.len(), 1);
}

#[tokio::test]
async fn many_requests_at_once_each_get_their_own_vectors() {
    let model = load(POCKET);
    let texts: Vec<String> = (0..100).map(|number| format!("passage {number}")).collect();
    let all = model.embed(EmbedKind::Passage, texts.clone());
    let single = futures::future::join_all((0..20).map(|index| {
        let kind = if index % 2 == 0 { EmbedKind::Query } else { EmbedKind::Passage };
        model.embed(kind, vec![texts[index * 5].clone()])
    }));
    let queries = model.embed(EmbedKind::Query, texts.clone());
    let (all, single, queries) = tokio::join!(all, single, queries);
    let all = all.unwrap().vectors;
    assert_eq!(all.len(), 100);
    assert_eq!(queries.unwrap().vectors, all);
    for (index, answer) in single.into_iter().enumerate() {
        assert_eq!(answer.unwrap().vectors[0], all[index * 5]);
    }
}

#[tokio::test]
async fn a_question_overtakes_passages_and_a_dropped_request_holds_nobody_up() {
    let model = load(POCKET);
    let passages: Vec<String> = (0..3000).map(|number| format!("a passage about matter {number}")).collect();
    let mut import = model.embed(EmbedKind::Passage, passages);
    // Polled once, so that it is queued before the question.
    assert!(futures::poll!(&mut import).is_pending());
    let question = model.embed(EmbedKind::Query, vec!["a question".to_owned()]);
    tokio::select! {
        biased;
        _ = &mut import => panic!("the passages were all embedded before the question"),
        answer = question => assert_eq!(answer.unwrap().vectors.len(), 1),
    }
    drop(import);
    assert_eq!(embed(&model, &["what comes after it"]).await.len(), 1);
}

#[tokio::test]
async fn blank_text_is_an_error_and_no_text_is_none() {
    let model = load(POCKET);
    let blank = model.embed(EmbedKind::Passage, vec!["text".to_owned(), "\u{a0} \n".to_owned()]).await;
    assert!(matches!(blank, Err(ModelError::Local { .. })));
    assert!(model.embed(EmbedKind::Passage, Vec::new()).await.unwrap().vectors.is_empty());
}

#[test]
fn a_model_that_cannot_be_had_is_an_error_with_a_remedy() {
    let check = |settings: &Models, dir: &Path, expected: &[&str]| {
        let error = local::from_settings(settings, dir).unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    };
    check(
        &settings(MINILM),
        Path::new("/nowhere"),
        &["/nowhere/models/all-MiniLM-L6-v2/tokenizer.json", "make setup", "EMBEDDING_MODEL=pocket"],
    );
    check(&settings("bert"), Path::new("/nowhere"), &["bert", MINILM, POCKET]);
    let shorter = Models { embedding_dimensions: Some(256), ..settings(POCKET) };
    check(&shorter, Path::new("/nowhere"), &["256", "384"]);
}
