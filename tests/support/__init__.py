"""What tests share: servers, databases, dumps, runs of playbooks."""
