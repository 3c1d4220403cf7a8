"""The real services on the twin, with customers, a gateway and faults from one seed; then the audit."""
