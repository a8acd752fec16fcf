//! The two ends of a conversation.

use entity::core::{character, conversation, persona};
use entity::ids::{CharacterId, PersonaId};
use uuid::Uuid;

use super::{characters, personas};
use crate::auth::CurrentUser;
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};

/// Whom a conversation is with, and who the user is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Whom.
    pub character_id: Option<CharacterId>,
    /// Who.
    pub persona_id: Option<PersonaId>,
}

impl Pair {
    /// The pair of a conversation.
    pub fn of(conversation: &conversation::Model) -> Self {
        Self { character_id: conversation.character_id, persona_id: conversation.persona_id }
    }

    /// As clients name it.
    pub fn named(character_id: Option<Uuid>, persona_id: Option<Uuid>) -> Self {
        Self { character_id: character_id.map(CharacterId), persona_id: persona_id.map(PersonaId) }
    }

    /// Neither character nor persona.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether it sees what is bound to these: to its own ends, or to none.
    pub fn sees(self, bound: Self) -> bool {
        bound.character_id.is_none_or(|id| self.character_id == Some(id))
            && bound.persona_id.is_none_or(|id| self.persona_id == Some(id))
    }
}

/// A pair with what a prompt says of it.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    /// The ids.
    pub pair: Pair,
    /// Whom the conversation is with.
    pub character: Option<character::Model>,
    /// Who the user is in it.
    pub persona: Option<persona::Model>,
}

/// The rows of a pair. No query if there is none.
pub async fn cast(core: &impl CoreConn, user: &CurrentUser, pair: Pair) -> Result<Cast> {
    let character = match pair.character_id {
        Some(id) => there(characters::find(core, user, id).await)?,
        None => None,
    };
    let persona = match pair.persona_id {
        Some(id) => there(personas::find(core, user.id, id).await)?,
        None => None,
    };
    Ok(Cast { pair, character, persona })
}

fn there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(row) => Ok(Some(row)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes sure that the user may speak to this character and as this persona,
/// and that both stay until the transaction ends. 404 otherwise. To be called
/// before a conversation is locked, as deletions lock them in that order.
pub async fn hold(tx: &CoreTx, user: &CurrentUser, pair: Pair) -> Result<()> {
    if let Some(id) = pair.character_id {
        characters::hold(tx, user, id).await?;
    }
    if let Some(id) = pair.persona_id {
        personas::hold(tx, user.id, id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_sees_its_own_and_what_is_bound_to_none() {
        let [c1, c2, p1, p2] = [(); 4].map(|()| Some(Uuid::now_v7()));
        let here = Pair::named(c1, p1);
        for (character, persona, seen) in [
            (None, None, true),
            (c1, None, true),
            (None, p1, true),
            (c1, p1, true),
            (c2, None, false),
            (None, p2, false),
            (c1, p2, false),
            (c2, p1, false),
        ] {
            assert_eq!(here.sees(Pair::named(character, persona)), seen, "{character:?} {persona:?}");
        }
        assert!(Pair::default().sees(Pair::default()));
        assert!(!Pair::default().sees(Pair::named(c1, None)));
        assert!(!Pair::named(c1, None).sees(here), "a persona's memories need the persona");
    }
}
