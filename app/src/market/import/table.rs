//! What can be imported: which table, and what its columns hold. Read off the
//! entities, so that neither can forget the other.

use entity::core::{
    balance_sheet, benchmark_sector_weight, cash_flow, company_profile, corporate_action, fund_holding,
    income_statement, price,
};
use sea_orm::sea_query::ColumnType;
use sea_orm::{ColumnTrait, EntityTrait, IdenStatic, Iterable};

use super::cell::Cell;

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Prices of days.
    Prices,
    /// Splits and dividends.
    Actions,
    /// Companies and funds.
    Profiles,
    /// Income statements.
    Income,
    /// Balance sheets.
    Balance,
    /// Cash flow statements.
    CashFlow,
    /// What funds hold.
    Holdings,
    /// Sectors of benchmarks.
    SectorWeights,
}

impl Kind {
    /// Its table.
    pub(in crate::market) fn table(self) -> Table {
        match self {
            Self::Prices => Table::of::<price::Entity>("market_data_cache", Follow::From("date")),
            Self::Actions => {
                Table::of::<corporate_action::Entity>("corporate_actions", Follow::From("ex_date"))
            }
            Self::Profiles => Table::of::<company_profile::Entity>("company_profiles", Follow::Profile),
            Self::Income => Table::of::<income_statement::Entity>("income_statements", Follow::Not),
            Self::Balance => Table::of::<balance_sheet::Entity>("balance_sheets", Follow::Not),
            Self::CashFlow => Table::of::<cash_flow::Entity>("cash_flows", Follow::Not),
            Self::Holdings => Table::of::<fund_holding::Entity>("fund_holdings", Follow::Not),
            Self::SectorWeights => {
                Table::of::<benchmark_sector_weight::Entity>("benchmarks_sector_weights", Follow::Not)
            }
        }
    }
}

/// What the list of known symbols learns of a table's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::market) enum Follow {
    /// Nothing.
    Not,
    /// From which day on figures change, by this column.
    From(&'static str),
    /// Sector, industry and kind.
    Profile,
}

/// A table that files are written to.
#[derive(Clone, Debug)]
pub(in crate::market) struct Table {
    pub name: &'static str,
    /// What a file can have.
    pub columns: Vec<Column>,
    /// Rows say when they last changed.
    pub has_updated_at: bool,
    pub follow: Follow,
}

/// A column of a file.
#[derive(Clone, Debug)]
pub(in crate::market) struct Column {
    pub name: &'static str,
    pub cell: Cell,
    pub is_key: bool,
    /// A file without it, or a row with nothing in it, is wrong.
    pub is_required: bool,
    /// What nothing stands for where the table wants something.
    pub default: Option<&'static str>,
}

/// What is not for a file to say.
const OURS: [&str; 3] = ["data_source", "created_at", "updated_at"];

/// Defaults of the tables.
const DEFAULTS: [(&str, &str); 3] = [("is_etf", "f"), ("is_fund", "f"), ("currency", "USD")];

impl Table {
    fn of<E: EntityTrait>(name: &'static str, follow: Follow) -> Self {
        debug_assert_eq!(name, E::default().table_name());
        let keys: Vec<&str> = E::PrimaryKey::iter().map(|key| key.as_str()).collect();
        let columns = E::Column::iter()
            .filter(|column| !OURS.contains(&column.as_str()))
            .filter_map(|column| {
                let (name, definition) = (column.as_str(), column.def());
                let is_nullable = definition.is_null();
                let default = DEFAULTS
                    .iter()
                    .find(|(column, _)| *column == name && !is_nullable)
                    .map(|(_, default)| *default);
                Some(Column {
                    name,
                    cell: cell_of(name, definition.get_column_type())?,
                    is_key: keys.contains(&name),
                    is_required: !is_nullable && default.is_none(),
                    default,
                })
            })
            .collect();
        let has_updated_at = E::Column::iter().any(|column| column.as_str() == "updated_at");
        Self { name, columns, has_updated_at, follow }
    }

    /// The columns that tell rows apart.
    pub(in crate::market) fn keys(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.columns.iter().filter(|column| column.is_key).map(|column| column.name)
    }

    /// A column by name.
    pub(in crate::market) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// What a column holds: by its name where that says more than its type.
fn cell_of(name: &str, kind: &ColumnType) -> Option<Cell> {
    Some(match name {
        "symbol" | "fund_symbol" | "holding_symbol" => Cell::Symbol,
        "sector" => Cell::Sector,
        "currency" => Cell::Currency,
        "frequency" => Cell::OneOf(&[
            ("q", &["q", "quarter", "quarterly", "3m"]),
            ("a", &["a", "y", "annual", "annually", "year", "yearly", "12m"]),
        ]),
        "kind" => {
            Cell::OneOf(&[("split", &["split", "stock split"]), ("dividend", &["dividend", "cash dividend"])])
        }
        "date" => Cell::Day { can_be_future: false },
        "open" | "high" | "low" | "close" | "value" => Cell::Decimal { whole_digits: 12, is_positive: true },
        "volume" | "basic_average_shares" | "diluted_average_shares" => Cell::Integer(0, i64::MAX),
        "fiscal_quarter" => Cell::Integer(1, 4),
        "fiscal_year" => Cell::Integer(1900, 2200),
        "num_constituents" => Cell::Integer(0, 1_000_000),
        "description" => Cell::Text(10_000),
        _ => return by_type(name, kind),
    })
}

fn by_type(name: &str, kind: &ColumnType) -> Option<Cell> {
    Some(match kind {
        ColumnType::Text | ColumnType::String(_) => Cell::Text(500),
        ColumnType::Boolean => Cell::Flag,
        ColumnType::Date => Cell::Day { can_be_future: true },
        // A benchmark's sector is never short, a fund can be.
        ColumnType::Double if name == "weight" => Cell::Number(-10.0, 10.0),
        ColumnType::Double => Cell::Number(-1e12, 1e12),
        ColumnType::Integer => Cell::Integer(i64::from(i32::MIN), i64::from(i32::MAX)),
        ColumnType::BigInteger => Cell::Integer(i64::MIN, i64::MAX),
        ColumnType::Decimal(Some((digits, decimals))) => {
            Cell::Decimal { whole_digits: digits - decimals, is_positive: false }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 8] = [
        Kind::Prices,
        Kind::Actions,
        Kind::Profiles,
        Kind::Income,
        Kind::Balance,
        Kind::CashFlow,
        Kind::Holdings,
        Kind::SectorWeights,
    ];

    #[test]
    fn every_column_of_every_table_can_be_imported() {
        for kind in KINDS {
            let table = kind.table();
            assert!(table.keys().count() >= 1, "{kind:?}");
            assert!(table.columns.iter().filter(|column| column.is_key).all(|column| column.is_required));
        }
        let prices = Kind::Prices.table();
        let names: Vec<&str> = prices.columns.iter().map(|column| column.name).collect();
        assert_eq!(names, ["symbol", "date", "open", "high", "low", "close", "volume"]);
        let required: Vec<&str> =
            prices.columns.iter().filter(|column| column.is_required).map(|column| column.name).collect();
        assert_eq!(required, ["symbol", "date", "close"]);
        assert_eq!(Kind::Income.table().columns.len(), 22);
        assert_eq!(Kind::Income.table().column("currency").unwrap().default, Some("USD"));
        assert_eq!(Kind::Profiles.table().column("currency").unwrap().default, None);
        assert_eq!(Kind::Profiles.table().columns.len(), 49);
    }
}
