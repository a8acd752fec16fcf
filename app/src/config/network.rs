//! Addresses and networks, as settings name them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// An address, or a network in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))?;
        if network.prefix_len() == 0 {
            return Err(format!("{text:?} is every address there is; name the networks that are meant"));
        }
        Ok(Self(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_but_not_everybody() {
        let network = |text: &str| Network::try_from(text.to_owned());
        assert!(network("10.0.0.0/8").unwrap().contains("10.1.2.3".parse().unwrap()));
        assert!(network("::1").unwrap().contains("::1".parse().unwrap()));
        assert!(!network("192.0.2.1").unwrap().contains("192.0.2.2".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "proxy.example", "0.0.0.0/0", "::/0"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }
}
