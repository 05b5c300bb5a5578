//! Ranges of service addresses: which addresses a range has, and in which order they are tried.
//!
//! Source: `pkg/registry/core/service/ipallocator` (ipallocator.go, bitmap.go) and KEP-3070.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rand::Rng;

/// `IPv4` or `IPv6`, as services name families.
pub fn family_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// A range of which services get addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range(pub IpNet);

impl Range {
    /// `IPv4` or `IPv6`.
    pub fn family(self) -> &'static str {
        family_of(self.0.network())
    }

    /// Whether a service can have an address: that of the network is nobody's, nor is an IPv4 network's broadcast address.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address) && address != self.0.network() && (address.is_ipv6() || address != self.0.broadcast())
    }

    /// The first address that a service can have.
    pub fn first(self) -> IpAddr {
        self.address(1)
    }

    /// All addresses, from a random place in the upper part on; last the lower part, which is for those who choose.
    pub fn candidates(self) -> impl Iterator<Item = IpAddr> {
        let (usable, reserved) = (self.usable(), self.reserved());
        let start = if usable > reserved { rand::rng().random_range(0..usable - reserved) } else { 0 };
        let upper =
            (0..usable.saturating_sub(reserved)).map(move |step| reserved + wrapped(start, step, usable - reserved));
        upper.chain(0..reserved.min(usable)).map(move |offset| self.address(offset.saturating_add(1)))
    }

    /// How many addresses services can have.
    fn usable(self) -> u128 {
        let bits = self.0.max_prefix_len() - self.0.prefix_len();
        let all = 1u128.checked_shl(u32::from(bits)).unwrap_or(u128::MAX);
        all.saturating_sub(if self.0.addr().is_ipv4() { 2 } else { 1 })
    }

    fn reserved(self) -> u128 {
        let bits = self.0.max_prefix_len() - self.0.prefix_len();
        if bits <= 4 { 0 } else { (1u128 << bits.min(20)).div_euclid(16).clamp(16, 256) }
    }

    /// The address at a distance from that of the network.
    pub fn address(self, offset: u128) -> IpAddr {
        match self.0.network() {
            IpAddr::V4(network) => {
                let offset = u32::try_from(offset).unwrap_or(u32::MAX);
                Ipv4Addr::from_bits(network.to_bits().saturating_add(offset)).into()
            }
            IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits().saturating_add(offset)).into(),
        }
    }
}

fn wrapped(start: u128, step: u128, size: u128) -> u128 {
    let to_the_end = size - start;
    if step < to_the_end { start + step } else { step - to_the_end }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn range(text: &str) -> Range {
        Range(text.parse().unwrap())
    }

    #[test]
    fn every_address_is_tried_once_the_lower_ones_last() {
        let tried: Vec<IpAddr> = range("10.0.0.0/24").candidates().collect();
        assert_eq!(tried.len(), 254);
        assert_eq!(tried.iter().collect::<HashSet<_>>().len(), 254);
        let lower: Vec<String> = tried[238..].iter().map(IpAddr::to_string).collect();
        assert_eq!((lower[0].as_str(), lower[15].as_str()), ("10.0.0.1", "10.0.0.16"));
        assert!(tried.iter().all(|address| range("10.0.0.0/24").contains(*address)));
        assert_eq!(range("10.0.0.0/30").candidates().count(), 2);
        assert_eq!(range("10.0.0.0/32").candidates().count(), 0);
        assert_eq!(range("fd00::/126").candidates().count(), 3);
        assert!(range("fd00::/64").candidates().take(1000).all(|address| range("fd00::100/64").contains(address)));
    }

    #[test]
    fn nobody_gets_the_address_of_the_network() {
        assert!(!range("10.0.0.0/24").contains("10.0.0.0".parse().unwrap()));
        assert!(!range("10.0.0.0/24").contains("10.0.0.255".parse().unwrap()));
        assert!(!range("10.0.0.0/24").contains("fd00::1".parse().unwrap()));
        assert!(range("fd00::/112").contains("fd00::ffff".parse().unwrap()));
        assert_eq!(range("fd00::/112").first().to_string(), "fd00::1");
    }
}
