//! Flags as upstream's components take them (pflag and cobra): syntax, values, errors and exit codes.

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::{
    CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// `-v`, flattened into a component's flags.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Logging {
    /// Number for the log level verbosity.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", default_value_t = 0)]
    pub v: u8,
}

/// The `--leader-elect*` flags, flattened into a component's flags. The lock's own default name differs per
/// component, so that one is asked for with [`LeaderElection::resource_name`].
#[derive(clap::Args, Clone, Debug)]
pub struct LeaderElection {
    /// Start a leader election client and gain leadership before executing the main loop.
    #[arg(long = "leader-elect", value_name = "BOOL", default_value = "true", num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = boolean, action = clap::ArgAction::Set)]
    pub enabled: bool,
    /// How long a candidate waits without seeing the leader renew before it takes over.
    #[arg(long = "leader-elect-lease-duration", default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub lease_duration: Duration,
    /// How long the leader retries to renew before it gives up; less than the lease duration.
    #[arg(long = "leader-elect-renew-deadline", default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub renew_deadline: Duration,
    /// How long to wait between tries.
    #[arg(long = "leader-elect-retry-period", default_value = "2s", value_parser = duration, value_name = "DURATION")]
    pub retry_period: Duration,
    /// The kind of the lock object: only `leases`.
    #[arg(long = "leader-elect-resource-lock", default_value = "leases", value_parser = ["leases"], value_name = "KIND")]
    pub resource_lock: String,
    /// The name of the lock object.
    #[arg(long = "leader-elect-resource-name", value_name = "NAME")]
    pub resource_name: Option<String>,
    /// The namespace of the lock object.
    #[arg(long = "leader-elect-resource-namespace", default_value = "kube-system", value_name = "NAMESPACE")]
    pub resource_namespace: String,
}

/// The flags of the component's own https endpoint, flattened into a component's flags.
#[derive(clap::Args, Clone, Debug)]
pub struct SecureServing {
    /// The IP address on which to listen for the --secure-port.
    #[arg(long = "bind-address", default_value = "0.0.0.0", value_name = "IP")]
    pub bind_address: std::net::IpAddr,
    /// File with the x509 certificate for HTTPS; self-signed in memory where none is given.
    #[arg(long = "tls-cert-file", value_name = "FILE", requires = "tls_private_key_file")]
    pub tls_cert_file: Option<std::path::PathBuf>,
    /// File with the private key of --tls-cert-file.
    #[arg(long = "tls-private-key-file", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_private_key_file: Option<std::path::PathBuf>,
}

/// Parses `args` (the first is the program's name) into a `clap::Parser`. On `--help` and `--version` prints to
/// stdout and gives exit code 0; on a wrong flag prints one line in cobra's words to stderr and gives exit code 1.
pub fn parse<T: CommandFactory + FromArgMatches>(args: Vec<OsString>) -> Result<T, ExitCode> {
    match try_parse(args) {
        Ok(parsed) => Ok(parsed),
        Err(Stop::Print(text)) => {
            print!("{text}");
            Err(ExitCode::SUCCESS)
        }
        Err(Stop::Wrong(line)) => {
            eprintln!("Error: {line}");
            Err(ExitCode::FAILURE)
        }
    }
}

/// Why parsing gave no flags.
#[derive(Debug, PartialEq)]
enum Stop {
    Print(String),
    Wrong(String),
}

fn try_parse<T: CommandFactory + FromArgMatches>(args: Vec<OsString>) -> Result<T, Stop> {
    let command = T::command().version(crate::KUBERNETES_VERSION).disable_help_subcommand(true);
    let wrong = |error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Stop::Print(error.to_string()),
        ErrorKind::DisplayVersion => Stop::Print(format!("Kubernetes {}\n", crate::KUBERNETES_VERSION)),
        _ => Stop::Wrong(cobra_words(&error)),
    };
    let mut matches = command.args_override_self(true).try_get_matches_from(args).map_err(wrong)?;
    T::from_arg_matches_mut(&mut matches).map_err(wrong)
}

/// The message pflag gives for the same mistake.
fn cobra_words(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let name = argument.split([' ', '=', '[']).next().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if name.starts_with("--") => format!("unknown flag: {name}"),
        ErrorKind::UnknownArgument if name.starts_with('-') => {
            let letter = name.chars().nth(1).unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {name}")
        }
        ErrorKind::UnknownArgument => format!("unknown command \"{argument}\""),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue);
            if value.is_empty() {
                return format!("flag needs an argument: {name}");
            }
            let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("invalid argument {value:?} for \"{name}\" flag{reason}")
        }
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_string(),
    }
}

/// A value parser for Go's `strconv.ParseBool`.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// A value parser for Go's `time.ParseDuration`, without negative durations: `15s`, `1m0s`, `1.5h`, `100ms`, `0`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(invalid());
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0f64;
    while !rest.is_empty() {
        let number_length = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| format!("time: missing unit in duration {text:?}"))?;
        let number: f64 = rest[..number_length].parse().map_err(|_| invalid())?;
        rest = &rest[number_length..];
        let unit_length = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..unit_length] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            unknown => return Err(format!("time: unknown unit {unknown:?} in duration {text:?}")),
        };
        seconds += number * unit;
        rest = &rest[unit_length..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    #[command(name = "kube-test")]
    struct Flags {
        #[command(flatten)]
        logging: Logging,
        #[command(flatten)]
        election: LeaderElection,
        #[arg(long)]
        kubeconfig: Option<String>,
    }

    fn flags(args: &[&str]) -> Result<Flags, Stop> {
        try_parse(std::iter::once("kube-test").chain(args.iter().copied()).map(OsString::from).collect())
    }

    #[test]
    fn go_syntax() {
        let parsed =
            flags(&["--leader-elect=false", "--kubeconfig", "/a", "-v=4", "--leader-elect-retry-period=1m0s"]).unwrap();
        assert!(!parsed.election.enabled);
        assert_eq!(parsed.kubeconfig.as_deref(), Some("/a"));
        assert_eq!(parsed.logging.v, 4);
        assert_eq!(parsed.election.retry_period, Duration::from_secs(60));
        let parsed = flags(&["--leader-elect", "-v", "2", "-v", "3"]).unwrap();
        assert!(parsed.election.enabled);
        assert_eq!(parsed.logging.v, 3, "the last one wins, as in pflag");
        assert_eq!(flags(&["--v=5"]).unwrap().logging.v, 5);
    }

    #[test]
    fn cobra_errors() {
        let wrong = |args: &[&str]| match flags(args) {
            Err(Stop::Wrong(line)) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(&["--x"]), "unknown flag: --x");
        assert_eq!(wrong(&["--x=1"]), "unknown flag: --x");
        assert_eq!(wrong(&["--kubeconfig"]), "flag needs an argument: --kubeconfig");
        assert_eq!(
            wrong(&["--leader-elect-retry-period=1"]),
            "invalid argument \"1\" for \"--leader-elect-retry-period\" flag: time: missing unit in duration \"1\""
        );
        assert!(wrong(&["--leader-elect=maybe"]).starts_with("invalid argument \"maybe\" for \"--leader-elect\" flag"));
        assert_eq!(flags(&["--version"]).unwrap_err(), Stop::Print("Kubernetes v1.36.2\n".into()));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("1h2m3s"), Ok(Duration::from_secs(3723)));
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for bad in ["", "s", "1", "1x", "-1s", "1..s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
