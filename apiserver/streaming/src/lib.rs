//! Remote command and port-forward streams: SPDY/3.1, WebSocket channels and upgrade proxying.
