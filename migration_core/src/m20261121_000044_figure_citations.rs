//! Citations of figures: of what a tool, or the prompt, told of a portfolio.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

// A portfolio's row goes with its account alone, and what it was quoted with goes with it; one that its
// owner deletes keeps its row, and the citations lose their words.
const UP: &str = r"
ALTER TABLE citations
    ADD COLUMN kind         text NOT NULL DEFAULT 'passage',
    ADD COLUMN portfolio_id uuid,
    ADD COLUMN tool         text,
    ADD COLUMN tool_call_id text,
    ADD COLUMN as_of        date,
    ALTER COLUMN document_id DROP NOT NULL,
    ALTER COLUMN source_id   DROP NOT NULL,
    ADD CONSTRAINT fk_citations_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    ADD CONSTRAINT ck_citations_kind CHECK (kind IN ('passage', 'figures')),
    ADD CONSTRAINT ck_citations_of CHECK (CASE kind
        WHEN 'passage' THEN document_id IS NOT NULL AND source_id IS NOT NULL
            AND num_nonnulls(portfolio_id, tool, tool_call_id, as_of) = 0
        ELSE num_nonnulls(document_id, source_id, page) = 0 AND (tool IS NULL) = (tool_call_id IS NULL)
            AND (portfolio_id IS NOT NULL OR tool IS NOT NULL OR deleted) END);
CREATE INDEX ix_citations_portfolio ON citations (portfolio_id) WHERE portfolio_id IS NOT NULL;
";

const DOWN: &str = r"
DELETE FROM citations WHERE kind <> 'passage';
ALTER TABLE citations
    DROP CONSTRAINT ck_citations_of,
    DROP CONSTRAINT ck_citations_kind,
    DROP COLUMN kind,
    DROP COLUMN portfolio_id,
    DROP COLUMN tool,
    DROP COLUMN tool_call_id,
    DROP COLUMN as_of,
    ALTER COLUMN document_id SET NOT NULL,
    ALTER COLUMN source_id   SET NOT NULL;
";
