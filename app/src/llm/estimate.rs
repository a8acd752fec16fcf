//! Counting tokens of a model whose tokenizer is not at hand.

/// About how many tokens a text has, from above: subword vocabularies keep
/// short and frequent words whole and cut long, rare and foreign ones. Letters
/// count one token for four, digits one for two, other characters one each;
/// a script that is not Latin counts one a character.
pub fn tokens(text: &str) -> usize {
    let mut tokens = 0;
    let mut run = Run::default();
    for character in text.chars() {
        let kind = Kind::of(character);
        if kind != run.kind {
            tokens += run.tokens();
            run = Run { kind, length: 0 };
        }
        run.length += 1;
    }
    tokens + run.tokens()
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Space,
    Letter,
    Digit,
    Other,
}

impl Kind {
    fn of(character: char) -> Self {
        match character {
            _ if character.is_whitespace() => Self::Space,
            'a'..='z' | 'A'..='Z' => Self::Letter,
            '0'..='9' => Self::Digit,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Run {
    kind: Kind,
    length: usize,
}

impl Run {
    fn tokens(&self) -> usize {
        match self.kind {
            Kind::Space => 0,
            Kind::Letter => self.length.div_ceil(4),
            Kind::Digit => self.length.div_ceil(2),
            Kind::Other => self.length,
        }
    }
}
