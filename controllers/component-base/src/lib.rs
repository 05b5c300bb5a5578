//! What every component starts with: flags, logging, client, health and metrics endpoints, leader election.
