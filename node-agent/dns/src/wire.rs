//! From questions and answers of the zone to DNS messages, and messages that fit their transport.

use std::net::IpAddr;

use hickory_server::proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record as WireRecord, RecordType,
        rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT},
    },
};

use crate::{
    lookup::{Data, Kind, Record},
    zone::Zone,
};

/// Seconds for which our own records may be kept; what kubeadm gives CoreDNS.
pub const TTL: u32 = 30;
/// The largest UDP answer, whatever the client says it takes: larger ones get lost in fragments.
const UDP_LIMIT: u16 = 1232;

/// What of a record type our zone knows.
pub fn kind(record_type: RecordType) -> Kind {
    match record_type {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::CNAME => Kind::Cname,
        RecordType::NS => Kind::Ns,
        RecordType::PTR => Kind::Ptr,
        RecordType::SOA => Kind::Soa,
        RecordType::SRV => Kind::Srv,
        RecordType::TXT => Kind::Txt,
        RecordType::ANY => Kind::Any,
        _ => Kind::Other,
    }
}

/// A name as the zone looks it up: lower case, no dot at the end.
pub fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// An empty response to a request.
pub fn response(request: &Message) -> Message {
    let mut response = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.metadata.recursion_available = true;
    response.add_queries(request.queries.iter().cloned());
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_LIMIT).set_version(0);
        response.set_edns(edns);
    }
    response
}

/// A response that only says what is wrong.
pub fn failure(request: &Message, code: ResponseCode) -> Message {
    let mut response = response(request);
    response.metadata.response_code = code;
    response
}

/// Why a request is not a question that can be answered.
pub fn refusal(request: &Message) -> Option<ResponseCode> {
    if request.metadata.op_code != OpCode::Query {
        return Some(ResponseCode::NotImp);
    }
    if request.queries.len() != 1 {
        return Some(ResponseCode::FormErr);
    }
    if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Some(ResponseCode::BADVERS);
    }
    let transfer = matches!(request.queries[0].query_type, RecordType::AXFR | RecordType::IXFR);
    transfer.then_some(ResponseCode::Refused)
}

/// Our records as DNS has them. A name that DNS cannot carry is left out: the API server admits none.
pub fn records(zone: &Zone, records: &[Record], query: &Query) -> Vec<WireRecord> {
    let asked = text(&query.name);
    let convert = |record: &Record| {
        // The client's own spelling of the name, as some compare it.
        let name = if record.name == asked { query.name.clone() } else { fqdn(&record.name)? };
        let data = match &record.data {
            Data::Address(IpAddr::V4(ip)) => RData::A(A(*ip)),
            Data::Address(IpAddr::V6(ip)) => RData::AAAA(AAAA(*ip)),
            Data::Cname(target) => RData::CNAME(CNAME(fqdn(target)?)),
            Data::Ns(target) => RData::NS(NS(fqdn(target)?)),
            Data::Ptr(target) => RData::PTR(PTR(fqdn(target)?)),
            Data::Soa => return soa(zone),
            Data::Srv { port, weight, target } => RData::SRV(SRV::new(0, *weight, *port, fqdn(target)?)),
            Data::Txt(text) => RData::TXT(TXT::new(vec![text.clone()])),
        };
        Some(WireRecord::from_rdata(name, TTL, data))
    };
    records.iter().filter_map(convert).collect()
}

/// The zone's SOA: in negative answers it says for how long they hold.
pub fn soa(zone: &Zone) -> Option<WireRecord> {
    let server = fqdn(&format!("ns.dns.{}", zone.domain))?;
    let mailbox = fqdn(&format!("hostmaster.{}", zone.domain))?;
    let soa = SOA::new(server, mailbox, zone.serial, 7200, 1800, 86400, TTL);
    Some(WireRecord::from_rdata(fqdn(&zone.domain)?, TTL, RData::SOA(soa)))
}

pub fn fqdn(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// How many bytes of UDP the client takes.
pub fn udp_size(request: &Message) -> usize {
    usize::from(request.edns.as_ref().map_or(512, |edns| edns.max_payload().clamp(512, UDP_LIMIT)))
}

/// A message in bytes, with as many records as fit into `limit`; where answers are left out, it says so.
pub fn encode(mut message: Message, limit: usize) -> Vec<u8> {
    loop {
        let bytes = message.to_vec().unwrap_or_default();
        if bytes.len() <= limit {
            return bytes;
        }
        // Additional records are a courtesy: leaving them out is no truncation.
        if !message.additionals.is_empty() {
            message.additionals.clear();
            continue;
        }
        message.metadata.truncation = true;
        if !message.authorities.is_empty() {
            message.authorities.clear();
        } else if message.answers.is_empty() {
            return bytes;
        } else {
            let fitting = message.answers.len() * limit / bytes.len();
            message.answers.truncate(fitting.min(message.answers.len() - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Message {
        let mut request = Message::query();
        request.add_query(Query::query(fqdn("Web.default.svc.cluster.local").unwrap(), RecordType::A));
        request
    }

    #[test]
    fn answers_keep_the_clients_spelling() {
        let zone = Zone::new("cluster.local");
        let ours =
            Record { name: "web.default.svc.cluster.local".into(), data: Data::Address("10.96.0.1".parse().unwrap()) };
        let records = records(&zone, &[ours], &request().queries[0]);
        assert_eq!(records[0].name.to_ascii(), "Web.default.svc.cluster.local.");
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_missing() {
        let mut message = response(&request());
        for last in 0..100 {
            let data = RData::A(A([10, 0, 0, last].into()));
            message.add_answer(WireRecord::from_rdata(request().queries[0].name.clone(), TTL, data));
        }
        let bytes = encode(message.clone(), 512);
        let cut = Message::from_vec(&bytes).unwrap();
        assert!(bytes.len() <= 512 && cut.metadata.truncation && cut.answers.len() > 20, "{}", cut.answers.len());
        assert!(!Message::from_vec(&encode(message, 65535)).unwrap().metadata.truncation);
    }

    #[test]
    fn odd_requests() {
        assert_eq!(refusal(&request()), None);
        let mut update = request();
        update.metadata.op_code = OpCode::Update;
        assert_eq!(refusal(&update), Some(ResponseCode::NotImp));
        assert_eq!(refusal(&Message::query()), Some(ResponseCode::FormErr));
        let mut transfer = request();
        transfer.queries[0].query_type = RecordType::AXFR;
        assert_eq!(refusal(&transfer), Some(ResponseCode::Refused));
        let mut large = request();
        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        large.set_edns(edns);
        assert_eq!((udp_size(&request()), udp_size(&large)), (512, 1232));
    }
}
