//! What a row is about: a share, a private asset, or a contract.

use entity::core::position::InvestmentClass;

use super::cells::Cells;
use super::contract::{Contract, Right};
use super::field::Field;
use super::format::Format;
use super::issue::{Code, quoted};
use crate::market;

/// What a lot is in.
pub(super) struct Asset {
    pub(super) symbol: String,
    pub(super) contract: Option<Contract>,
    pub(super) class: InvestmentClass,
}

/// The asset of a row; `symbol` where another row has it.
pub(super) fn asset(cells: &mut Cells<'_>, format: Format, symbol_above: Option<&str>) -> Option<Asset> {
    let given = symbol_above.or_else(|| cells.text(Field::Symbol));
    let named = given.and_then(Contract::parse);
    let class = class(cells).ok()?;
    let explicit = [Field::UnderlyingSymbol, Field::StrikePrice, Field::ExpirationDate, Field::OptionType]
        .into_iter()
        .any(|field| cells.said(field).is_some());
    let category = cells.said(Field::AssetCategory).unwrap_or_default().to_ascii_lowercase();
    if ["future", "forex", "cfd"].iter().any(|kind| category.contains(kind)) && !category.contains("option") {
        cells.wrong(Field::AssetCategory, Code::Untellable, format!("{category} are not held as lots"));
        return None;
    }
    let must_be_option = class == Some(InvestmentClass::Options) || category.contains("option");
    let contract = if explicit {
        Some(completed(cells, named)?)
    } else if named.is_none() && must_be_option {
        let message = "an option needs its underlying, strike, expiry and type, or a symbol that names them";
        cells.wrong(Field::Symbol, Code::IncompleteOption, message);
        return None;
    } else {
        named
    };
    if contract.is_some() && class.is_some_and(|class| class != InvestmentClass::Options) {
        cells.wrong(
            Field::InvestmentClass,
            Code::NoOption,
            "the class is not OPTIONS, but the row is an option",
        );
        return None;
    }
    let symbol = symbol(cells, given, contract.as_ref(), format)?;
    let default = if contract.is_some() { InvestmentClass::Options } else { InvestmentClass::Public };
    Some(Asset { symbol, contract, class: class.unwrap_or(default) })
}

fn symbol(
    cells: &mut Cells<'_>,
    given: Option<&str>,
    contract: Option<&Contract>,
    format: Format,
) -> Option<String> {
    let own = given.filter(|given| Contract::parse(given).is_none());
    if let Some(contract) = contract
        && own.is_none_or(|own| own.eq_ignore_ascii_case(&contract.underlying))
    {
        return Some(contract.symbol());
    }
    let Some(given) = given else {
        cells.wrong(Field::Symbol, Code::NoSymbol, "the symbol is missing");
        return None;
    };
    // Classes of shares: most sources of prices write a point.
    let given = match given.split_once('/') {
        Some((root, class)) if format.is_american() && class.len() == 1 => format!("{root}.{class}"),
        _ => given.to_owned(),
    };
    let symbol = market::normalised(&given);
    if symbol.is_none() {
        cells.wrong(Field::Symbol, Code::BadSymbol, format!("\"{}\" is no symbol", quoted(&given)));
    }
    symbol
}

/// The class is wrong, which was said.
struct WrongClass;

/// None: the row says nothing.
fn class(cells: &mut Cells<'_>) -> Result<Option<InvestmentClass>, WrongClass> {
    let Some(given) = cells.said(Field::InvestmentClass) else { return Ok(None) };
    match given.to_ascii_uppercase().as_str() {
        "PUBLIC" => Ok(Some(InvestmentClass::Public)),
        "OPTIONS" | "OPTION" => Ok(Some(InvestmentClass::Options)),
        "PRIVATE" => Ok(Some(InvestmentClass::Private)),
        _ => {
            let message = format!("\"{}\" is none of PUBLIC, OPTIONS, PRIVATE", quoted(given));
            cells.wrong(Field::InvestmentClass, Code::BadClass, message);
            Err(WrongClass)
        }
    }
}

/// A contract of its fields; what is missing is taken from its symbol, what differs is wrong.
fn completed(cells: &mut Cells<'_>, named: Option<Contract>) -> Option<Contract> {
    let before = cells.issues.len();
    let underlying = cells.said(Field::UnderlyingSymbol).map(str::to_ascii_uppercase);
    let strike = cells.price(Field::StrikePrice);
    let expiry = cells.any_day(Field::ExpirationDate);
    let right = cells.said(Field::OptionType).and_then(|given| {
        let right = Right::parse(given);
        if right.is_none() {
            cells.wrong(
                Field::OptionType,
                Code::BadOptionType,
                format!("\"{}\" is no CALL and no PUT", quoted(given)),
            );
        }
        right
    });
    if cells.issues.len() > before {
        return None;
    }
    if let Some(named) = named {
        let agrees = underlying.is_none_or(|given| given == named.underlying)
            && strike.is_none_or(|given| given == named.strike)
            && expiry.is_none_or(|given| given == named.expiry)
            && right.is_none_or(|given| given == named.right);
        if !agrees {
            cells.wrong(
                Field::Symbol,
                Code::Contradiction,
                "the symbol names another contract than the other columns",
            );
            return None;
        }
        return Some(named);
    }
    if let Some(given) = &underlying
        && market::normalised(given).is_none()
    {
        cells.wrong(Field::UnderlyingSymbol, Code::BadSymbol, format!("\"{}\" is no symbol", quoted(given)));
        return None;
    }
    let (Some(underlying), Some(strike), Some(expiry), Some(right)) =
        (underlying, strike.filter(|strike| !strike.is_zero()), expiry, right)
    else {
        let message = "an option needs its underlying, a strike above 0, its expiry and its type";
        cells.wrong(Field::UnderlyingSymbol, Code::IncompleteOption, message);
        return None;
    };
    Some(Contract { underlying, expiry, right, strike })
}
