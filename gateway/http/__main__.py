"""`python -m gateway.http`."""

from __future__ import annotations

from gateway.http.bootstrap import main

raise SystemExit(main())
