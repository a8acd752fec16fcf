//! Deposits and withdrawals of a file.
//!
//! A portfolio without capital at its beginning takes each purchase as a
//! contribution; deposits beside that would count the same money twice. So an
//! empty portfolio that gets a file with deposits begins with a capital of 0, and
//! from then on only deposits and withdrawals are capital.

use std::collections::HashSet;

use chrono::NaiveDate;
use entity::core::equity_change::{self, EquityChangeType};
use entity::core::{portfolio, position};
use entity::ids::{EquityChangeId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::ids::Ids;
use super::issue::{Code, Issue};
use super::reading::Reading;
use crate::db::CoreTx;
use crate::error::Result;
use crate::portfolio::changed;

/// Rows a statement.
const ROWS_AT_ONCE: usize = 1000;

/// What became of deposits and withdrawals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capital {
    pub(super) created: usize,
    pub(super) unchanged: usize,
}

/// Stores deposits and withdrawals, before the file's lots are stored.
pub(super) async fn store(
    tx: &CoreTx,
    portfolio: &portfolio::Model,
    user: UserId,
    reading: &mut Reading,
) -> Result<Capital> {
    let mut ids = Ids::of(portfolio.id);
    let mut flows = Vec::new();
    for flow in std::mem::take(&mut reading.flows) {
        let currency = flow.currency.as_deref().unwrap_or(&portfolio.currency);
        if currency == portfolio.currency {
            flows.push((ids.flow(&flow), flow));
        } else {
            let message =
                format!("{currency} into a portfolio of {}; enter it in that currency", portfolio.currency);
            reading.notes.push(Issue::row(flow.line, Code::Capital, message));
        }
    }
    if flows.is_empty() {
        return Ok(Capital::default());
    }
    if portfolio.equity_balance.is_none() {
        if !is_empty(tx, portfolio).await? {
            let message =
                "each purchase brings its own capital here; give the portfolio an equity_balance first";
            reading.notes.extend(flows.iter().map(|(_, flow)| Issue::row(flow.line, Code::Capital, message)));
            return Ok(Capital::default());
        }
        begin_with_nothing(tx, portfolio).await?;
        let message =
            "the portfolio begins with a capital of 0; from now on only deposits and withdrawals are capital";
        reading.notes.push(Issue::file(Code::Capital, message));
    }
    let mut there: HashSet<EquityChangeId> = HashSet::new();
    for chunk in flows.chunks(ROWS_AT_ONCE) {
        // Those that their owner deleted stay deleted.
        let rows = equity_change::Entity::find()
            .filter(equity_change::Column::PortfolioId.eq(portfolio.id))
            .filter(equity_change::Column::Id.is_in(chunk.iter().map(|(id, _)| *id)))
            .all(tx)
            .await?;
        there.extend(rows.into_iter().map(|row| row.id));
    }
    let count = flows.len();
    flows.retain(|(id, _)| !there.contains(id));
    let first: Option<NaiveDate> = flows.iter().map(|(_, flow)| flow.date).min();
    for chunk in flows.chunks(ROWS_AT_ONCE) {
        let rows = chunk.iter().map(|(id, flow)| equity_change::ActiveModel {
            id: Set(*id),
            portfolio_id: Set(portfolio.id),
            change_type: Set(if flow.amount.is_sign_negative() {
                EquityChangeType::Withdrawal
            } else {
                EquityChangeType::Contribution
            }),
            amount: Set(flow.amount.abs()),
            change_date: Set(flow.date),
            created_by_user_id: Set(user),
            ..Default::default()
        });
        equity_change::Entity::insert_many(rows).exec_without_returning(tx).await?;
    }
    if let Some(first) = first {
        changed(tx, portfolio.id, first).await?;
    }
    Ok(Capital { created: flows.len(), unchanged: count - flows.len() })
}

/// Whether a portfolio has no lots and no capital.
async fn is_empty(tx: &CoreTx, portfolio: &portfolio::Model) -> Result<bool> {
    let lots = position::Entity::find()
        .filter(position::Column::PortfolioId.eq(portfolio.id))
        .filter(position::Column::DeletedAt.is_null());
    let capital = equity_change::Entity::find()
        .filter(equity_change::Column::PortfolioId.eq(portfolio.id))
        .filter(equity_change::Column::DeletedAt.is_null());
    Ok(lots.count(tx).await? == 0 && capital.count(tx).await? == 0)
}

async fn begin_with_nothing(tx: &CoreTx, portfolio: &portfolio::Model) -> Result<()> {
    portfolio::Entity::update_many()
        .col_expr(portfolio::Column::EquityBalance, Expr::value(Decimal::ZERO))
        .filter(portfolio::Column::Id.eq(portfolio.id))
        .exec(tx)
        .await?;
    Ok(())
}
