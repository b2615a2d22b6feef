async def test_x(data_stores):
    print(data_stores)
