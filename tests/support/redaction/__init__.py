"""What redaction is measured with: carriers of a text, places of a request, and cases of both kinds."""
