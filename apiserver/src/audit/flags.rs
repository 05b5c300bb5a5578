//! The flags of auditing, and the backends that they ask for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use apiserver_audit::{
    Backoff, Batching, Format, LogBackend, LogFile, Metrics, Mode, Policy, Sink, Truncation, WebhookBackend,
};
use clap::Args;
use controllers_component_base::flags;

use super::Audit;
use super::webhook::Webhook;

/// `--audit-*` under upstream's names.
#[derive(Args, Clone, Debug)]
pub struct AuditFlags {
    /// File with the audit policy; without it nothing is audited.
    #[arg(long)]
    pub audit_policy_file: Option<PathBuf>,
    /// File to log events to; `-` is standard output.
    #[arg(long)]
    pub audit_log_path: Option<PathBuf>,
    /// How many days old logs are kept; 0 for ever.
    #[arg(long, default_value_t = 366)]
    pub audit_log_maxage: u32,
    /// How many old logs are kept; 0 for all.
    #[arg(long, default_value_t = 100)]
    pub audit_log_maxbackup: usize,
    /// Megabytes after which a log is put aside; 0 for never.
    #[arg(long, default_value_t = 100)]
    pub audit_log_maxsize: u64,
    /// Whether old logs are compressed.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub audit_log_compress: bool,
    /// How events are logged: json or legacy.
    #[arg(long, default_value = "json")]
    pub audit_log_format: String,
    /// Version of logged events.
    #[arg(long, default_value = "audit.k8s.io/v1")]
    pub audit_log_version: String,
    /// Whether requests wait for the log: batch, blocking or blocking-strict.
    #[arg(long, default_value = "blocking")]
    pub audit_log_mode: String,
    /// How many events wait for the log.
    #[arg(long, default_value_t = 10_000)]
    pub audit_log_batch_buffer_size: usize,
    /// How many events are logged at once; each is a line of its own all the same.
    #[arg(long, default_value_t = 1)]
    pub audit_log_batch_max_size: usize,
    /// How long events wait for the log.
    #[arg(long, default_value = "0s", value_parser = flags::duration)]
    pub audit_log_batch_max_wait: Duration,
    /// Whether batches are throttled.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub audit_log_batch_throttle_enable: bool,
    /// Batches per second.
    #[arg(long, default_value_t = 0.0)]
    pub audit_log_batch_throttle_qps: f32,
    /// Batches at once.
    #[arg(long, default_value_t = 0)]
    pub audit_log_batch_throttle_burst: usize,
    /// Whether events that are too large are cut.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub audit_log_truncate_enabled: bool,
    /// Bytes of a batch.
    #[arg(long, default_value_t = 10 * 1024 * 1024)]
    pub audit_log_truncate_max_batch_size: usize,
    /// Bytes of an event.
    #[arg(long, default_value_t = 100 * 1024)]
    pub audit_log_truncate_max_event_size: usize,
    /// Kubeconfig file of the server to send events to.
    #[arg(long)]
    pub audit_webhook_config_file: Option<PathBuf>,
    /// How long to wait before a list of events is sent again.
    #[arg(long, default_value = "10s", value_parser = flags::duration, alias = "audit-webhook-batch-initial-backoff")]
    pub audit_webhook_initial_backoff: Duration,
    /// Version of sent events.
    #[arg(long, default_value = "audit.k8s.io/v1")]
    pub audit_webhook_version: String,
    /// Whether requests wait for the webhook: batch, blocking or blocking-strict.
    #[arg(long, default_value = "batch")]
    pub audit_webhook_mode: String,
    /// How many events wait for the webhook.
    #[arg(long, default_value_t = 10_000)]
    pub audit_webhook_batch_buffer_size: usize,
    /// How many events are sent at once.
    #[arg(long, default_value_t = 400)]
    pub audit_webhook_batch_max_size: usize,
    /// How long events wait for others to be sent with.
    #[arg(long, default_value = "30s", value_parser = flags::duration)]
    pub audit_webhook_batch_max_wait: Duration,
    /// Whether batches are throttled.
    #[arg(long, default_value = "true", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub audit_webhook_batch_throttle_enable: bool,
    /// Batches per second.
    #[arg(long, default_value_t = 10.0)]
    pub audit_webhook_batch_throttle_qps: f32,
    /// Batches at once.
    #[arg(long, default_value_t = 15)]
    pub audit_webhook_batch_throttle_burst: usize,
    /// Whether events that are too large are cut.
    #[arg(long, default_value = "false", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = flags::boolean)]
    pub audit_webhook_truncate_enabled: bool,
    /// Bytes of a batch.
    #[arg(long, default_value_t = 10 * 1024 * 1024)]
    pub audit_webhook_truncate_max_batch_size: usize,
    /// Bytes of an event.
    #[arg(long, default_value_t = 100 * 1024)]
    pub audit_webhook_truncate_max_event_size: usize,
}

/// What both backends can be told.
struct Shared<'a> {
    plugin: &'a str,
    mode: &'a str,
    version: &'a str,
    batching: Batching,
    truncation: Truncation,
    max_batch_size: usize,
}

impl Shared<'_> {
    fn mode(&self) -> anyhow::Result<Mode> {
        let Shared { plugin, batching, .. } = self;
        let mode = match self.mode {
            "batch" => Mode::Batch,
            "blocking" => Mode::Blocking,
            "blocking-strict" => Mode::BlockingStrict,
            other => anyhow::bail!(
                "invalid audit {plugin} mode {other}, allowed modes are \"batch,blocking,blocking-strict\""
            ),
        };
        if mode == Mode::Batch {
            let positive = |what: &str, shown: String, is: bool| {
                anyhow::ensure!(is, "invalid audit batch {plugin} {what} {shown}, must be a positive number");
                Ok(())
            };
            positive("buffer size", batching.buffer_size.to_string(), batching.buffer_size > 0)?;
            positive("max batch size", batching.max_size.to_string(), batching.max_size > 0)?;
            if let Some((rate, burst)) = batching.throttle {
                positive("throttle QPS", rate.to_string(), rate > 0.0)?;
                positive("throttle burst", burst.to_string(), burst > 0)?;
            }
        }
        let (event, batch) = (self.truncation.max_event_size, self.max_batch_size);
        anyhow::ensure!(event > 0, "invalid audit truncate {plugin} max event size {event}, must be a positive number");
        anyhow::ensure!(
            batch >= event,
            "invalid audit truncate {plugin} max batch size {batch}, must be greater than max event size ({event})"
        );
        anyhow::ensure!(
            self.version == "audit.k8s.io/v1",
            "invalid group version, allowed versions are [\"audit.k8s.io/v1\"]"
        );
        Ok(mode)
    }
}

impl AuditFlags {
    fn log(&self) -> Shared<'_> {
        let throttle = (self.audit_log_batch_throttle_qps, self.audit_log_batch_throttle_burst);
        Shared {
            plugin: "log",
            mode: &self.audit_log_mode,
            version: &self.audit_log_version,
            batching: Batching {
                buffer_size: self.audit_log_batch_buffer_size,
                max_size: self.audit_log_batch_max_size,
                max_wait: self.audit_log_batch_max_wait,
                throttle: self.audit_log_batch_throttle_enable.then_some(throttle),
            },
            truncation: Truncation {
                enabled: self.audit_log_truncate_enabled,
                max_event_size: self.audit_log_truncate_max_event_size,
            },
            max_batch_size: self.audit_log_truncate_max_batch_size,
        }
    }

    fn webhook(&self) -> Shared<'_> {
        let throttle = (self.audit_webhook_batch_throttle_qps, self.audit_webhook_batch_throttle_burst);
        Shared {
            plugin: "webhook",
            mode: &self.audit_webhook_mode,
            version: &self.audit_webhook_version,
            batching: Batching {
                buffer_size: self.audit_webhook_batch_buffer_size,
                max_size: self.audit_webhook_batch_max_size,
                max_wait: self.audit_webhook_batch_max_wait,
                throttle: self.audit_webhook_batch_throttle_enable.then_some(throttle),
            },
            truncation: Truncation {
                enabled: self.audit_webhook_truncate_enabled,
                max_event_size: self.audit_webhook_truncate_max_event_size,
            },
            max_batch_size: self.audit_webhook_truncate_max_batch_size,
        }
    }

    /// Reads the policy and opens the backends.
    ///
    /// # Errors
    /// A flag that cannot be, or a file that cannot be used.
    pub async fn open(&self, metrics: Metrics) -> anyhow::Result<Audit> {
        let policy = match &self.audit_policy_file {
            None => None,
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("loading audit policy file: failed to read file path {shown:?}"))?;
                Some(Policy::parse(&text).with_context(|| format!("loading audit policy file: {shown}"))?)
            }
        };
        let log = match &self.audit_log_path {
            None => None,
            Some(path) => {
                let shared = self.log();
                let mode = shared.mode()?;
                let format = match self.audit_log_format.as_str() {
                    "json" => Format::Json,
                    "legacy" => Format::Legacy,
                    other => {
                        anyhow::bail!("invalid audit log format {other}, allowed formats are \"legacy,json\"")
                    }
                };
                let size = self.audit_log_maxsize.saturating_mul(1024 * 1024);
                let (backups, age) = (self.audit_log_maxbackup, i64::from(self.audit_log_maxage));
                let file = LogFile::open(path, size, backups, age, self.audit_log_compress)
                    .with_context(|| format!("ensureLogFile: {}", path.display()))?;
                let (buffer, truncation) = (shared.batching.buffer_size, shared.truncation);
                Some(LogBackend::new(file, format, mode, buffer, truncation, metrics.clone()))
            }
        };
        let webhook = match &self.audit_webhook_config_file {
            None => None,
            Some(path) => {
                let shared = self.webhook();
                let mode = shared.mode()?;
                let to = Webhook::new(path).await.context("initializing audit webhook")?;
                let backoff = Backoff { initial: self.audit_webhook_initial_backoff };
                let (batching, truncation) = (shared.batching, shared.truncation);
                Some(WebhookBackend::new(Arc::new(to), mode, batching, backoff, truncation, metrics.clone()))
            }
        };
        Ok(Audit { policy, sink: Arc::new(Sink::new(log, webhook, metrics.clone())), metrics })
    }
}
