"""The gateway's IR → what Envoy is told over ADS. Pure: it adds form and decides nothing."""
