//! How people ask for something to be remembered. Lower case, composed
//! accents, straight apostrophes; a space stands for any white space.

/// What has to come after a phrase for it to be a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follow {
    /// White space: a clause comes, as after "remember that".
    Clause,
    /// A word of the first person: "remember my", "note that I".
    FirstPerson,
    /// A colon or dash: "remember: ...".
    Colon,
}

/// Put before a request without changing it.
pub(super) const COURTESIES: &[&str] = &[
    "please",
    "pls",
    "hey",
    "hi",
    "hello",
    "ok",
    "okay",
    "also",
    "and",
    "oh",
    "so",
    "tandem",
    "just",
    "always",
    "kindly",
    "bitte",
    "hallo",
    "und",
    "also,",
    "s'il te plaît",
    "s'il vous plaît",
    "stp",
    "svp",
    "et",
    "por favor",
    "hola",
    "y",
];

/// A request in the form of a question: "can you remember that I ...?"
pub(super) const POLITE_QUESTIONS: &[&str] = &[
    "can you",
    "could you",
    "would you",
    "will you",
    "can you please",
    "could you please",
    "would you please",
    "will you please",
];

/// First words of what somebody says of themself.
pub(super) const FIRST_PERSON: &[&str] =
    &["i", "i'm", "i've", "i'd", "i'll", "my", "mine", "me", "we", "we're", "we've", "our", "us"];

/// After these, "that I ..." is about the conversation, not a fact.
pub(super) const TALK: &[&str] = &["i told", "i said", "i asked", "i mentioned", "we talked"];

/// The phrases, longest first where one begins another.
pub(super) const TRIGGERS: &[(&str, Follow)] = &[
    // English
    ("remember this", Follow::Colon),
    ("remember that", Follow::Clause),
    ("remember that", Follow::Colon),
    ("remember to", Follow::Clause),
    ("remember", Follow::Colon),
    ("remember", Follow::FirstPerson),
    ("keep in mind that", Follow::Clause),
    ("keep in mind", Follow::Colon),
    ("bear in mind that", Follow::Clause),
    ("bear in mind", Follow::Colon),
    ("make a note that", Follow::Clause),
    ("make a note", Follow::Colon),
    ("make a mental note that", Follow::Clause),
    ("take a note that", Follow::Clause),
    ("take a note", Follow::Colon),
    ("take note that", Follow::FirstPerson),
    ("take note", Follow::Colon),
    ("note that", Follow::FirstPerson),
    ("note", Follow::Colon),
    ("note to self", Follow::Colon),
    ("don't forget that", Follow::Clause),
    ("don't forget", Follow::Colon),
    ("don't forget", Follow::FirstPerson),
    ("do not forget that", Follow::Clause),
    ("do not forget", Follow::Colon),
    ("do not forget", Follow::FirstPerson),
    ("never forget that", Follow::Clause),
    // German
    ("merk dir, dass", Follow::Clause),
    ("merk dir dass", Follow::Clause),
    ("merk dir bitte, dass", Follow::Clause),
    ("merk dir", Follow::Colon),
    ("merk dir bitte", Follow::Colon),
    ("merke dir, dass", Follow::Clause),
    ("merke dir dass", Follow::Clause),
    ("merke dir", Follow::Colon),
    ("merken sie sich, dass", Follow::Clause),
    ("merken sie sich bitte, dass", Follow::Clause),
    ("merken sie sich", Follow::Colon),
    ("denk daran, dass", Follow::Clause),
    ("denk dran, dass", Follow::Clause),
    ("denken sie daran, dass", Follow::Clause),
    ("vergiss nicht, dass", Follow::Clause),
    ("vergiss nicht", Follow::Colon),
    ("vergessen sie nicht, dass", Follow::Clause),
    ("notiere, dass", Follow::Clause),
    ("notiere dir, dass", Follow::Clause),
    ("notiere", Follow::Colon),
    // French
    ("souviens-toi que", Follow::Clause),
    ("souviens-toi", Follow::Colon),
    ("souvenez-vous que", Follow::Clause),
    ("rappelle-toi que", Follow::Clause),
    ("rappelle-toi", Follow::Colon),
    ("rappelez-vous que", Follow::Clause),
    ("retiens que", Follow::Clause),
    ("retiens", Follow::Colon),
    ("retenez que", Follow::Clause),
    ("retenez", Follow::Colon),
    ("n'oublie pas que", Follow::Clause),
    ("n'oubliez pas que", Follow::Clause),
    ("note que je", Follow::Clause),
    ("notez que je", Follow::Clause),
    // Spanish
    ("recuerda que", Follow::Clause),
    ("recuerda", Follow::Colon),
    ("recuerde que", Follow::Clause),
    ("acuérdate de que", Follow::Clause),
    ("acuérdese de que", Follow::Clause),
    ("no olvides que", Follow::Clause),
    ("no olvide que", Follow::Clause),
    ("ten en cuenta que", Follow::Clause),
    ("toma nota de que", Follow::Clause),
    ("toma nota", Follow::Colon),
    ("anota que", Follow::Clause),
    ("apunta que", Follow::Clause),
];

/// A full stop after these does not end a sentence.
pub(super) const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "no", "nr", "vs", "etc", "approx", "ca", "e.g", "i.e", "u.s",
    "u.k", "inc", "ltd", "co", "corp", "z.b", "d.h", "bzw", "usw", "mme", "sr", "sra", "p.ex",
];
