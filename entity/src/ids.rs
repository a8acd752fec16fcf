//! Typed ids: a message's id cannot be passed where a user's is asked for.

use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            DeriveValueType, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        // sea-orm asks every primary key for this; a UUID is never made from a number.
        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// A tenant (core).
    TenantId
);
id_type!(
    /// A user (core).
    UserId
);
id_type!(
    /// A refresh token (core).
    RefreshTokenId
);
id_type!(
    /// An API key (core).
    ApiKeyId
);
id_type!(
    /// An external MCP server (core).
    McpServerId
);
id_type!(
    /// An invitation (core).
    InvitationId
);
id_type!(
    /// A conversation (core).
    ConversationId
);
id_type!(
    /// A character (core).
    CharacterId
);
id_type!(
    /// A persona of a user (core).
    PersonaId
);
id_type!(
    /// A message of a conversation (core).
    MessageId
);
id_type!(
    /// A citation in an answer (core).
    CitationId
);
id_type!(
    /// A job (core).
    JobId
);
id_type!(
    /// A call of a model in the ledger (core).
    UsageRecordId
);
id_type!(
    /// An event of the outbox (core).
    EventId
);
id_type!(
    /// An embedding space (ai).
    SpaceId
);
id_type!(
    /// A collection of sources (core).
    CollectionId
);
id_type!(
    /// A source of the knowledge base (ai).
    SourceId
);
id_type!(
    /// A passage of a source (ai).
    DocumentId
);
id_type!(
    /// A memory (ai).
    MemoryId
);
id_type!(
    /// A vote on an answer (ai).
    FeedbackId
);
id_type!(
    /// A portfolio (core).
    PortfolioId
);
id_type!(
    /// A lot of a portfolio (core).
    PositionId
);
id_type!(
    /// A close of a lot (core).
    RealizedEventId
);
id_type!(
    /// A contribution or withdrawal (core).
    EquityChangeId
);
id_type!(
    /// A tag (core).
    TagId
);
id_type!(
    /// A target price (core).
    TargetPriceId
);
id_type!(
    /// A factor (core).
    FactorDefinitionId
);
id_type!(
    /// A stress scenario (core).
    StressScenarioId
);
id_type!(
    /// A run of the batch (core).
    BatchRunId
);
id_type!(
    /// A phase of a run (core).
    BatchJobId
);
id_type!(
    /// A schedule of the batch (core).
    BatchScheduleId
);
