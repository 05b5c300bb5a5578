//! Addresses and networks: `cidr("10.0.0.0/8").containsIP("10.1.2.3")`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::{failed, library_value, no_overload, object};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip(IpAddr);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u8,
}

library_value!(Ip, "net.IP", |ip| Some(if ip.0.is_ipv4() { 4 } else { 16 }));
library_value!(Cidr, "net.CIDR", |cidr| Some(u64::from(cidr.bits.div_ceil(8))));

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

impl Cidr {
    fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && masked(self.address, self.bits) == masked(address, self.bits)
    }
}

/// What Go's parser of addresses says about a string that is none.
fn address_problem(text: &str) -> String {
    let fail = |problem: &str| format!("ParseAddr({text:?}): {problem}");
    let at = text.find(['.', ':', '%']);
    match at.map(|at| text.as_bytes()[at]) {
        Some(b'.') => {
            let fields: Vec<&str> = text.split('.').collect();
            for (index, field) in fields.iter().enumerate() {
                if let Some(bad) = field.find(|c: char| !c.is_ascii_digit()) {
                    let start: usize = fields[..index].iter().map(|field| field.len() + 1).sum();
                    return format!("{} (at {:?})", fail("unexpected character"), &text[start + bad..]);
                }
                if field.is_empty() {
                    let start: usize = fields[..index].iter().map(|field| field.len() + 1).sum();
                    let problem = "IPv4 field must have at least one digit";
                    return format!("{} (at {:?})", fail(problem), &text[start.min(text.len() - 1)..]);
                }
                if field.len() > 1 && field.starts_with('0') {
                    return fail("IPv4 field has octet with leading zero");
                }
                if field.parse::<u32>().map_or(true, |number| number > 255) {
                    return fail("IPv4 field has value >255");
                }
            }
            fail(if fields.len() < 4 { "IPv4 address too short" } else { "IPv4 address too long" })
        }
        Some(b'%') => fail("missing IPv6 address"),
        Some(_) => {
            let bad = text.find(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '.');
            match bad {
                Some(bad) => format!("{} (at {:?})", fail("unexpected character, want colon"), &text[bad..]),
                None => fail("address string too short"),
            }
        }
        None => fail("unable to parse IP"),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    if let Some((address, zone)) = text.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
        && !zone.is_empty()
    {
        return Err(format!("IP address {text:?} with zone value is not allowed"));
    }
    let address: IpAddr = text.parse().map_err(|_| {
        format!("IP Address {text:?} parse error during conversion from string: {}", address_problem(text))
    })?;
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
        }
        _ => Ok(address),
    }
}

fn parse_cidr(text: &str) -> Result<Cidr, String> {
    let fail = |problem: String| {
        Err(format!(
            "network address parse error during conversion from string: netip.ParsePrefix({text:?}): {problem}"
        ))
    };
    let Some((address, bits)) = text.rsplit_once('/') else { return fail("no '/'".to_owned()) };
    let Ok(address) = address.parse::<IpAddr>() else { return fail(address_problem(address)) };
    let plain = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (bits.len() > 1 && bits.starts_with('0')) {
        return fail(format!("bad bits after slash: {bits:?}"));
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.parse::<u8>() {
        Ok(bits) if bits <= most => match address {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
                Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
            }
            _ => Ok(Cidr { address, bits }),
        },
        _ => fail("prefix length out of range".to_owned()),
    }
}

/// `ip(text)`, `isIP(text)`, `ip.isCanonical(text)` and `cidr.ip()`.
pub(crate) fn ip<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let text = match args.as_slice() {
        [Value::String(text)] => text,
        [value] => match object::<Cidr>(value) {
            Some(cidr) => return Ok(Value::Object(Arc::new(Ip(cidr.address)))),
            None => return no_overload(),
        },
        _ => return no_overload(),
    };
    match (parse_ip(text), call.name) {
        (parsed, "isIP") => Ok(Value::Bool(parsed.is_ok())),
        (Err(problem), _) => failed(problem),
        (Ok(address), "ip.isCanonical") => Ok(Value::Bool(address.to_string() == **text)),
        (Ok(address), _) => Ok(Value::Object(Arc::new(Ip(address)))),
    }
}

/// `cidr(text)` and `isCIDR(text)`.
pub(crate) fn cidr<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [Value::String(text)] = args.as_slice() else { return no_overload() };
    match (parse_cidr(text), call.name) {
        (parsed, "isCIDR") => Ok(Value::Bool(parsed.is_ok())),
        (Ok(cidr), _) => Ok(Value::Object(Arc::new(cidr))),
        (Err(problem), _) => failed(format!("network address parse error during conversion from string: {problem}")),
    }
}

/// `containsIP` and `containsCIDR`, of text or of a value.
pub(crate) fn contains<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [network, other] = args.as_slice() else { return no_overload() };
    let Some(network) = object::<Cidr>(network) else { return no_overload() };
    if call.name == "containsIP" {
        let address = match (other, object::<Ip>(other)) {
            (Value::String(text), _) => match parse_ip(text) {
                Ok(address) => address,
                Err(_) => return no_overload(),
            },
            (_, Some(ip)) => ip.0,
            _ => return no_overload(),
        };
        return Ok(Value::Bool(network.contains(address)));
    }
    let other = match (other, object::<Cidr>(other)) {
        (Value::String(text), _) => match parse_cidr(text) {
            Ok(other) => other,
            Err(problem) => {
                return failed(format!("network address parse error during conversion from string: {problem}"));
            }
        },
        (_, Some(other)) => *other,
        _ => return no_overload(),
    };
    Ok(Value::Bool(network.bits <= other.bits && network.contains(other.address)))
}

/// `masked` and `prefixLength`.
pub(crate) fn network<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(network) = args.first().and_then(object::<Cidr>) else { return no_overload() };
    Ok(match call.name {
        "prefixLength" => Value::Int(i64::from(network.bits)),
        _ => Value::Object(Arc::new(Cidr { address: masked(network.address, network.bits), bits: network.bits })),
    })
}

pub(crate) fn property<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(Ip(address)) = args.first().and_then(object::<Ip>) else { return no_overload() };
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    };
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    Ok(match call.name {
        "family" => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        "isUnspecified" => Value::Bool(address.is_unspecified()),
        "isLoopback" => Value::Bool(address.is_loopback()),
        "isLinkLocalMulticast" => Value::Bool(match address {
            IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
            IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
        }),
        "isLinkLocalUnicast" => Value::Bool(link_local),
        _ => Value::Bool(
            !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || link_local || broadcast),
        ),
    })
}
