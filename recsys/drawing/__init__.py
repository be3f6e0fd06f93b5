"""What every HTML page of ours is made of: plots, tables, numbers in print, one style.

Nothing here knows what a page is about. Drawing needs the optional extra ``recsys[report]``;
importing this package does not.
"""
