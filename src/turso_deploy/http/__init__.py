"""HTTP: one client with proxies, trusted authorities, a total deadline and retries."""
