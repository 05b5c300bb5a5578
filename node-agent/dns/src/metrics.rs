//! The server's metrics, under CoreDNS's names.

use std::time::Duration;

use anyhow::Result;
use hickory_server::proto::op::Message;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// All metrics.
pub struct Metrics {
    requests: IntCounterVec,
    responses: IntCounterVec,
    duration: HistogramVec,
}

impl Metrics {
    /// # Errors
    /// A registry that has metrics of these names already.
    pub fn new(registry: &Registry) -> Result<Self> {
        let requests = Opts::new("coredns_dns_requests_total", "Counter of DNS requests made per protocol and type.");
        let responses = Opts::new("coredns_dns_responses_total", "Counter of response status codes.");
        let duration = HistogramOpts::new(
            "coredns_dns_request_duration_seconds",
            "Histogram of the time (in seconds) each request took.",
        );
        let duration = duration.buckets(prometheus::exponential_buckets(0.00025, 2.0, 16)?);
        let metrics = Metrics {
            requests: IntCounterVec::new(requests, &["proto", "type"])?,
            responses: IntCounterVec::new(responses, &["proto", "rcode"])?,
            duration: HistogramVec::new(duration, &["proto"])?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.responses.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        Ok(metrics)
    }

    pub fn answered(&self, protocol: &str, request: &Message, response: &Message, took: Duration) {
        // The types that matter by name; clients could make up sixty thousand others.
        let asked = request.queries.first().map(|query| query.query_type.to_string());
        let asked = asked
            .as_deref()
            .filter(|asked| ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"].contains(asked));
        self.requests.with_label_values(&[protocol, asked.unwrap_or("other")]).inc();
        let code = u16::from(response.metadata.response_code);
        let code = match code {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            _ => "other",
        };
        self.responses.with_label_values(&[protocol, code]).inc();
        self.duration.with_label_values(&[protocol]).observe(took.as_secs_f64());
    }
}
