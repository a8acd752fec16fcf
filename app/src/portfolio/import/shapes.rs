//! How the headings of the known formats look.

use super::field::{Field, key};
use super::format::Format;

/// How a format's heading looks.
pub(super) struct Shape {
    pub(super) format: Format,
    /// A key of each group must be there.
    pub(super) needs: &'static [&'static [&'static str]],
    pub(super) columns: &'static [(&'static str, Field)],
}

/// The ones that are known; where two fit, the first.
pub(super) const SHAPES: &[Shape] = &[
    Shape {
        format: Format::InteractiveBrokers,
        needs: &[
            &["datadiscriminator"],
            &["assetcategory"],
            &["symbol"],
            &["quantity"],
            &["costprice", "costbasis"],
        ],
        columns: &[
            ("datadiscriminator", Field::Level),
            ("assetcategory", Field::AssetCategory),
            ("currency", Field::Currency),
            ("symbol", Field::Symbol),
            ("open", Field::EntryDate),
            ("quantity", Field::Quantity),
            ("mult", Field::Multiplier),
            ("multiplier", Field::Multiplier),
            ("costprice", Field::EntryPrice),
            ("costbasis", Field::CostBasis),
            ("closeprice", Field::MarketPrice),
        ],
    },
    Shape {
        format: Format::Fidelity,
        needs: &[
            &["accountnumber", "accountname"],
            &["symbol"],
            &["description"],
            &["quantity"],
            &["lastprice"],
            &["currentvalue"],
        ],
        columns: &[
            ("symbol", Field::Symbol),
            ("description", Field::Description),
            ("quantity", Field::Quantity),
            ("lastprice", Field::MarketPrice),
            ("costbasistotal", Field::CostBasis),
            ("averagecostbasis", Field::EntryPrice),
        ],
    },
    Shape {
        format: Format::Vanguard,
        needs: &[
            &["accountnumber"],
            &["investmentname"],
            &["symbol"],
            &["shares"],
            &["shareprice"],
            &["totalvalue"],
        ],
        columns: &[
            ("investmentname", Field::Description),
            ("symbol", Field::Symbol),
            ("shares", Field::Quantity),
            ("shareprice", Field::MarketPrice),
        ],
    },
    Shape {
        format: Format::Etrade,
        needs: &[&["symbol"], &["lastprice$"], &["quantity", "qty#"], &["pricepaid$"], &["value$"]],
        columns: &[
            ("symbol", Field::Symbol),
            ("lastprice$", Field::MarketPrice),
            ("quantity", Field::Quantity),
            ("qty#", Field::Quantity),
            ("pricepaid$", Field::EntryPrice),
        ],
    },
    Shape {
        format: Format::Schwab,
        needs: &[
            &["symbol"],
            &["description"],
            &["qtyquantity", "quantity"],
            &["mktvalmarketvalue", "marketvalue"],
            &["securitytype", "assettype"],
        ],
        columns: &[
            ("symbol", Field::Symbol),
            ("description", Field::Description),
            ("qtyquantity", Field::Quantity),
            ("quantity", Field::Quantity),
            ("price", Field::MarketPrice),
            ("costbasis", Field::CostBasis),
        ],
    },
    Shape {
        format: Format::Robinhood,
        needs: &[&["activitydate"], &["instrument"], &["transcode"], &["quantity"], &["price"], &["amount"]],
        columns: &[
            ("activitydate", Field::Date),
            ("instrument", Field::Symbol),
            ("description", Field::Description),
            ("transcode", Field::Activity),
            ("quantity", Field::Quantity),
            ("price", Field::Price),
            ("amount", Field::Amount),
        ],
    },
    Shape {
        format: Format::Wealthfolio,
        needs: &[
            &["date", "activitydate"],
            &["symbol", "assetsymbol", "assetid"],
            &["activitytype"],
            &["quantity"],
            &["unitprice"],
        ],
        columns: &[
            ("date", Field::Date),
            ("activitydate", Field::Date),
            ("symbol", Field::Symbol),
            ("assetsymbol", Field::Symbol),
            ("activitytype", Field::Activity),
            ("quantity", Field::Quantity),
            ("unitprice", Field::Price),
            ("currency", Field::Currency),
            ("fee", Field::Fee),
            ("amount", Field::Amount),
            ("comment", Field::Notes),
        ],
    },
    Shape {
        format: Format::Ghostfolio,
        needs: &[
            &["date"],
            &["symbol", "code"],
            &["datasource"],
            &["quantity"],
            &["type", "action"],
            &["unitprice", "price"],
        ],
        columns: &[
            ("date", Field::Date),
            ("symbol", Field::Symbol),
            ("code", Field::Symbol),
            ("datasource", Field::DataSource),
            ("currency", Field::Currency),
            ("type", Field::Activity),
            ("action", Field::Activity),
            ("quantity", Field::Quantity),
            ("unitprice", Field::Price),
            ("price", Field::Price),
            ("fee", Field::Fee),
            ("comment", Field::Notes),
            ("note", Field::Notes),
        ],
    },
    // Last: its needs are the fewest.
    Shape {
        format: Format::Template,
        needs: &[
            &["symbol", "ticker"],
            &["quantity", "shares", "units"],
            &[
                "entryprice",
                "entrypricepershare",
                "purchaseprice",
                "averageprice",
                "avgprice",
                "costpershare",
            ],
        ],
        columns: &[
            ("symbol", Field::Symbol),
            ("ticker", Field::Symbol),
            ("quantity", Field::Quantity),
            ("shares", Field::Quantity),
            ("units", Field::Quantity),
            ("entryprice", Field::EntryPrice),
            ("entrypricepershare", Field::EntryPrice),
            ("purchaseprice", Field::EntryPrice),
            ("averageprice", Field::EntryPrice),
            ("avgprice", Field::EntryPrice),
            ("costpershare", Field::EntryPrice),
            ("entrydate", Field::EntryDate),
            ("purchasedate", Field::EntryDate),
            ("dateacquired", Field::EntryDate),
            ("class", Field::InvestmentClass),
            ("investmentclass", Field::InvestmentClass),
            ("subtype", Field::InvestmentSubtype),
            ("investmentsubtype", Field::InvestmentSubtype),
            ("underlying", Field::UnderlyingSymbol),
            ("underlyingsymbol", Field::UnderlyingSymbol),
            ("strike", Field::StrikePrice),
            ("strikeprice", Field::StrikePrice),
            ("expiry", Field::ExpirationDate),
            ("expirationdate", Field::ExpirationDate),
            ("optiontype", Field::OptionType),
            ("exitdate", Field::ExitDate),
            ("exitprice", Field::ExitPrice),
            ("exitpricepershare", Field::ExitPrice),
            ("currency", Field::Currency),
            ("positiontype", Field::PositionType),
            ("multiplier", Field::Multiplier),
            ("notes", Field::Notes),
        ],
    },
];

impl Shape {
    /// Whether a heading with these keys is of this shape.
    pub(super) fn fits(&self, keys: &[String]) -> bool {
        self.needs.iter().all(|group| group.iter().any(|name| keys.iter().any(|key| key == name)))
    }

    /// The meaning of a column.
    pub(super) fn meaning(&self, heading: &str) -> Option<Field> {
        let key = key(heading);
        self.columns.iter().find(|(name, _)| *name == key).map(|(_, field)| *field)
    }
}
