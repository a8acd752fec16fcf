//! What was done, told from the words of the programs that wrote it down.

use super::format::Format;

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// Shares came in.
    Buy,
    /// Shares went out.
    Sell,
    /// An option was bought, to have it.
    BuyToOpen,
    /// An option that is had was sold.
    SellToClose,
    /// An option was written.
    SellToOpen,
    /// A written one was bought back.
    BuyToClose,
    /// An option ended, or was exercised: its shares come and go by rows of their own.
    Expire,
    /// One share became several: so many for one.
    Split,
    /// The same: so many came to those that were held.
    SplitUnits,
    /// Cash came in.
    Deposit,
    /// Cash went out.
    Withdrawal,
    /// Cash came in or went out, by the sign of its amount.
    Transfer,
    /// Income of what is held.
    Dividend,
    /// Interest, fees, taxes.
    Charge,
    /// Shares went out without a price.
    TransferOut,
}

/// None: nobody knows.
pub(super) fn parse(format: Format, word: &str, is_cash: bool) -> Option<Activity> {
    let word = word.to_ascii_uppercase();
    if format == Format::Robinhood {
        return robinhood(&word);
    }
    Some(match word.as_str() {
        "TRANSFER_IN" if is_cash => Activity::Deposit,
        "TRANSFER_OUT" if is_cash => Activity::Withdrawal,
        "SELL" | "SOLD" | "SALE" => Activity::Sell,
        "BUY" | "BOUGHT" | "PURCHASE" | "TRANSFER_IN" | "ADD_HOLDING" => Activity::Buy,
        "TRANSFER_OUT" | "REMOVE_HOLDING" => Activity::TransferOut,
        "DEPOSIT" | "CONTRIBUTION" => Activity::Deposit,
        "WITHDRAWAL" | "WITHDRAW" => Activity::Withdrawal,
        "DIVIDEND" => Activity::Dividend,
        "INTEREST" | "FEE" | "TAX" | "CREDIT" | "LIABILITY" => Activity::Charge,
        "SPLIT" => Activity::Split,
        _ => return None,
    })
}

/// The codes of the column `Trans Code`.
fn robinhood(code: &str) -> Option<Activity> {
    Some(match code {
        "BUY" | "REC" => Activity::Buy,
        "SELL" => Activity::Sell,
        "BTO" => Activity::BuyToOpen,
        "STC" => Activity::SellToClose,
        "STO" => Activity::SellToOpen,
        "BTC" => Activity::BuyToClose,
        "OEXP" | "OASGN" | "OEXCS" => Activity::Expire,
        "SPL" => Activity::SplitUnits,
        "ACH" | "RTP" | "WIRE" | "XENT" | "DCF" => Activity::Transfer,
        "CDIV" | "MDIV" | "QDIV" => Activity::Dividend,
        "INT" | "GDBP" | "GOLD" | "DFEE" | "AFEE" | "DTAX" | "NRAT" | "SLIP" | "MINT" => Activity::Charge,
        _ => return None,
    })
}
