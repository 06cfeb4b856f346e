"""What operators see and do, in a browser: pages, and the HTTP and WebSocket API that they are one client of.

It reads what others tell it (``ports``) and hands commands on; it never edits a cart.
"""
