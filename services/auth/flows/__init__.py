"""What auth does: each flow asks its ports and lets `policy` decide. No flow knows gRPC, Redis or SQL."""
