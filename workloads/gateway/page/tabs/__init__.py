"""The tabs of the page: each makes its components and says what fills them."""
