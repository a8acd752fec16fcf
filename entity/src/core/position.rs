//! Positions: lots. What was bought on another day or at another price is another one.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{PortfolioId, PositionId};

/// What kind of market a position has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum InvestmentClass {
    /// Listed: it has closes.
    #[sea_orm(string_value = "PUBLIC")]
    #[serde(rename = "PUBLIC")]
    Public,
    /// Contracts on something listed.
    #[sea_orm(string_value = "OPTIONS")]
    #[serde(rename = "OPTIONS")]
    Options,
    /// None: it is worth what its owner says.
    #[sea_orm(string_value = "PRIVATE")]
    #[serde(rename = "PRIVATE")]
    Private,
}

/// Long or short; share, call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum PositionType {
    /// Bought shares.
    #[sea_orm(string_value = "LONG")]
    #[serde(rename = "LONG")]
    Long,
    /// Shares sold without owning them.
    #[sea_orm(string_value = "SHORT")]
    #[serde(rename = "SHORT")]
    Short,
    /// Bought calls.
    #[sea_orm(string_value = "LC")]
    #[serde(rename = "LC")]
    LongCall,
    /// Bought puts.
    #[sea_orm(string_value = "LP")]
    #[serde(rename = "LP")]
    LongPut,
    /// Written calls.
    #[sea_orm(string_value = "SC")]
    #[serde(rename = "SC")]
    ShortCall,
    /// Written puts.
    #[sea_orm(string_value = "SP")]
    #[serde(rename = "SP")]
    ShortPut,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "positions")]
pub struct Model {
    /// Key, UUIDv7; of an imported lot UUIDv5 over what tells it from others.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PositionId,
    /// Whose it is.
    pub portfolio_id: PortfolioId,
    /// Ticker, or the contract's symbol of an option; upper case.
    pub symbol: String,
    /// Long or short; share, call or put.
    pub position_type: PositionType,
    /// What kind of market it has.
    pub investment_class: InvestmentClass,
    /// Finer than the class, in the owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub investment_subtype: Option<String>,
    /// As it was opened; negative when short.
    #[sea_orm(column_type = "Decimal(Some((24, 8)))")]
    pub opened_quantity: Decimal,
    /// What of it is still open; of the same sign, 0 when it is closed.
    #[sea_orm(column_type = "Decimal(Some((24, 8)))")]
    pub quantity: Decimal,
    /// Units of the underlying a contract; 100 for listed options, else 1.
    #[sea_orm(column_type = "Decimal(Some((12, 4)))")]
    pub multiplier: Decimal,
    /// In which it trades: of its prices, strike and events.
    pub currency: String,
    /// Paid or received a unit.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))")]
    pub entry_price: Decimal,
    /// When it was opened.
    pub entry_date: Date,
    /// Of the close that left nothing open.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub exit_price: Option<Decimal>,
    /// Of the same.
    pub exit_date: Option<Date>,
    /// Of options.
    #[sea_orm(column_type = "Text", nullable)]
    pub underlying_symbol: Option<String>,
    /// Of options.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub strike_price: Option<Decimal>,
    /// Of options.
    pub expiration_date: Option<Date>,
    /// The owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub notes: Option<String>,
    /// The mark of its last valuation.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub last_price: Option<Decimal>,
    /// The day of that price; older than the valuation where the price is.
    pub last_price_date: Option<Date>,
    /// Signed, in the portfolio's currency.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub market_value: Option<Decimal>,
    /// What is still open at its entry price, signed, in the portfolio's currency.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub cost_basis: Option<Decimal>,
    /// Value less cost.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub unrealized_pnl: Option<Decimal>,
    /// Of its closes so far, in the portfolio's currency.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub realized_pnl: Option<Decimal>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
    /// When the owner deleted it.
    pub deleted_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
