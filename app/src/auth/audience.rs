//! Ownership of rows in ai: who wrote them for whom, and who may read them.
//!
//! A row belongs to a user, or is shared with a tenant, or with everybody. The
//! database folds the three into one column, `audience`, and a reader's
//! [`Audience`] is the set of values that reader may see. Finders take it as a
//! required argument; there is no finder without. Sources in a collection have
//! its id there: who reads it is asked of core, and whose they are stays.

use entity::ids::{CollectionId, TenantId, UserId};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use uuid::Uuid;

use super::CurrentUser;
use crate::db::Reach;
use crate::error::{Error, Result};

/// The scope label of rows shared with everybody.
const GLOBAL_SCOPE: &str = "global";
const TENANT_SCOPE_PREFIX: &str = "tenant:";

/// Whom a new row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The user it belongs to; none means shared.
    pub owner_id: Option<UserId>,
    /// The tenant; none and no owner means everybody.
    pub tenant_id: Option<TenantId>,
}

impl Ownership {
    /// Shared with everybody: rows of the operator.
    pub const EVERYBODY: Self = Self { owner_id: None, tenant_id: None };

    /// The user's own rows.
    pub fn of(user: &CurrentUser) -> Self {
        Self { owner_id: Some(user.id), tenant_id: Some(user.tenant_id) }
    }

    /// What the scope label of a request means: `global` and `tenant:<id>` share
    /// the row and are for administrators, every other label is the user's own.
    pub fn for_scope(user: &CurrentUser, scope: &str) -> Result<Self> {
        let shared = if scope == GLOBAL_SCOPE {
            Self::EVERYBODY
        } else if let Some(id) = scope.strip_prefix(TENANT_SCOPE_PREFIX) {
            let id = Uuid::parse_str(id)
                .map_err(|_| Error::field("scope", "tenant: must be followed by a tenant's id"))?;
            Self { owner_id: None, tenant_id: Some(TenantId(id)) }
        } else {
            return Ok(Self::of(user));
        };
        if !user.is_admin() {
            return Err(Error::forbidden(
                "shared_scope",
                "only administrators write the scopes global and tenant:<id>",
            ));
        }
        Ok(shared)
    }

    /// What a transaction that reads and writes such rows may touch.
    pub fn reach(&self) -> Reach {
        Reach::default().and_writing([self.audience()])
    }

    /// The value of the column `audience` outside of collections; also the namespace
    /// of deterministic ids, so that equal texts of two users are two rows.
    pub fn audience(&self) -> Uuid {
        match (self.owner_id, self.tenant_id) {
            (Some(owner), _) => owner.0,
            (None, Some(tenant)) => tenant.0,
            (None, None) => Uuid::nil(),
        }
    }
}

/// The values of `audience` somebody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Vec<Uuid>);

impl Audience {
    /// Own rows, the tenant's, and everybody's.
    pub fn of(user: UserId, tenant: TenantId) -> Self {
        Self(vec![user.0, tenant.0, Uuid::nil()])
    }

    /// These collections' rows too.
    #[must_use]
    pub fn and_collections(mut self, collections: &[CollectionId]) -> Self {
        for id in collections {
            if !self.0.contains(&id.0) {
                self.0.push(id.0);
            }
        }
        self
    }

    /// Whose it is; what is embedded for a search is on this user's account.
    pub fn user(&self) -> UserId {
        UserId(self.0.first().copied().unwrap_or_default())
    }

    /// The values themselves.
    pub fn ids(&self) -> &[Uuid] {
        &self.0
    }

    /// What a transaction that only reads for it may see.
    pub fn reach(&self) -> Reach {
        Reach::reading(self.0.iter().copied())
    }

    /// The condition every finder of ai rows begins with.
    pub fn condition(&self) -> Condition {
        let audiences = self.0.iter().map(|id| Expr::val(*id));
        Condition::all().add(Expr::col("audience").is_in(audiences))
    }
}

#[cfg(test)]
mod tests {
    use entity::core::user::Role;

    use super::*;

    fn user(role: Role) -> CurrentUser {
        CurrentUser {
            id: UserId(Uuid::now_v7()),
            tenant_id: TenantId(Uuid::now_v7()),
            email: "someone@example.com".to_owned(),
            role,
            collections: Vec::new(),
        }
    }

    #[test]
    fn only_administrators_share() {
        let (user, admin) = (user(Role::User), user(Role::Admin));
        assert!(Ownership::for_scope(&user, "global").is_err());
        assert!(Ownership::for_scope(&user, "tenant:019aa000-0000-7000-8000-000000000001").is_err());
        assert_eq!(Ownership::for_scope(&admin, "global").unwrap(), Ownership::EVERYBODY);
        assert_eq!(Ownership::for_scope(&user, "page:risk").unwrap(), Ownership::of(&user));
    }
}
